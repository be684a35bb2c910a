"""Units: the cut, the split by topic, the kept readings."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from agents.bundle.corpus import held_out_topics
from negotiation.errors import ConfigurationError
from rewriter.pairs.config import UnitConfig
from rewriter.pairs.units import cut, read_units
from rewriter.sentences import split_sentences
from tests.unit.rewriter.pairs.fakes import WordDetector, write_labels

SHORT = UnitConfig(least_characters=5)


def test_a_text_is_cut_at_sentences_and_nothing_between_them_is_lost() -> None:
    text = "Ann is free. Bob is old.  Cy is kind. Di is fair."
    assert cut(text, SHORT) == ["Ann is free. Bob is old. Cy is kind.", "Di is fair."]


def test_a_unit_ends_before_it_is_too_long() -> None:
    config = UnitConfig(least_characters=5, characters=27)
    assert cut("Ann is free. Bob is old. Cy is kind.", config) == ["Ann is free. Bob is old.", "Cy is kind."]


def test_units_too_short_or_too_long_are_left_out() -> None:
    config = UnitConfig(least_characters=10, characters=20, sentences=1)
    assert cut("Too few. Just about enough. This one is far too long a sentence.", config) == [
        "Just about enough."
    ]


def test_topics_are_held_out_whole_and_the_same_as_the_bundled_models(tmp_path: Path) -> None:
    units = read_units(write_labels(tmp_path), WordDetector(), None, UnitConfig(least_characters=5))
    trained = {unit.topic_id for unit in units.training}
    held_out = {unit.topic_id for unit in units.held_out}
    assert held_out == held_out_topics(range(12))
    assert not trained & held_out
    assert trained | held_out == set(range(12))


def test_readings_are_kept_and_a_detector_that_reads_otherwise_reads_anew(tmp_path: Path) -> None:
    data, work = write_labels(tmp_path), tmp_path / "work"
    first, second = WordDetector(), WordDetector()
    units = read_units(data, first, work, SHORT)
    assert read_units(data, second, work, SHORT) == units
    assert not set(second.texts) & {unit.text for unit in units.training}

    class Contrary(WordDetector):
        def read(self, texts):  # type: ignore[no-untyped-def]
            return [type(one)(tuple(-value for value in one.values), 1.0) for one in super().read(texts)]

    third = Contrary()
    changed = read_units(data, third, work, SHORT)
    assert {unit.text for unit in changed.training} <= set(third.texts)
    assert all(value <= 0.0 for unit in changed.training for value in unit.values)


def test_the_choice_within_a_topic_does_not_depend_on_other_topics(tmp_path: Path) -> None:
    config = UnitConfig(least_characters=5, per_topic=3)
    (tmp_path / "few").mkdir()
    (tmp_path / "many").mkdir()
    few = read_units(write_labels(tmp_path / "few", topics=12), WordDetector(), None, config)
    many = read_units(write_labels(tmp_path / "many", topics=14), WordDetector(), None, config)
    by_topic = [
        {unit.text for unit in (*units.training, *units.held_out) if unit.topic_id == 4}
        for units in (few, many)
    ]
    assert by_topic[0] == by_topic[1]
    assert len(by_topic[0]) == 3


def test_missing_data_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"no file value_labels\.parquet"):
        read_units(tmp_path, WordDetector())


def test_a_missing_column_is_told(tmp_path: Path) -> None:
    pq.write_table(pa.table({"text": ["A text."]}), tmp_path / "value_labels.parquet")
    with pytest.raises(ConfigurationError, match="topic_id"):
        read_units(tmp_path, WordDetector())


def test_no_unit_left_is_told(tmp_path: Path) -> None:
    config = UnitConfig(least_characters=400, characters=500)
    with pytest.raises(ConfigurationError, match="give other bounds"):
        read_units(write_labels(tmp_path), WordDetector(), None, config)


SHARED = Path(__file__).resolve().parents[5] / "shared" / "data"


@pytest.mark.shared
@pytest.mark.skipif(not SHARED.is_dir(), reason="the shared training data are not here")
def test_units_of_the_published_statements() -> None:
    units = read_units(SHARED, WordDetector(), None, UnitConfig(per_topic=2))
    assert len({unit.topic_id for unit in units.held_out}) == 38
    assert len({unit.topic_id for unit in units.training}) == 345
    sentences = [len(split_sentences(unit.text)) for unit in (*units.training, *units.held_out)]
    assert max(sentences) <= 3
