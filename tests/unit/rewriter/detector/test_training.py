"""The making of a detector, on a small file whose values are told by known words."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from negotiation.errors import ConfigurationError, TargetError
from rewriter.detector import load_detector
from rewriter.detector.bundled import BundledDetector
from rewriter.detector.config import DetectorConfig
from rewriter.detector.corpus import Corpus
from rewriter.detector.features import sentences
from rewriter.detector.fit import fit, scores_of
from rewriter.detector.labels import JUDGE, OTHER_JUDGE, Labelled, load_labels, topic_folds
from rewriter.detector.train import calibrated, train_detector

FOR, AGAINST, PLAIN = (
    "we hold dear the old ways",
    "we leave behind the old ways",
    "we speak of the common ways",
)
SUBJECTS = (
    "schools",
    "rivers",
    "markets",
    "courts",
    "harbours",
    "borders",
    "harvests",
    "libraries",
    "roads",
    "mines",
)
TRADITION = 7


def rows() -> list[dict[str, object]]:
    rng = np.random.default_rng(0)
    found = []
    for topic, subject in enumerate(SUBJECTS):
        for number in range(24):
            level = (-1.0, 0.0, 0.5, 1.0)[number % 4]
            said = FOR if level > 0 else AGAINST if level < 0 else PLAIN
            text = f"On {subject} {said} of our land number{chr(97 + number)}. The {subject} matter to us all here."
            values = [float(value) for value in rng.choice((-0.5, 0.0, 0.5), 10)]
            values[TRADITION] = level
            row = {"text": text, "judge": JUDGE, "topic_id": topic, "values": values}
            found.append(row)
            if number % 3 == 0:
                found.append(row | {"judge": OTHER_JUDGE, "values": [*values[:TRADITION], 0.0, *values[8:]]})
    return found


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("labels")
    pq.write_table(pa.Table.from_pylist(rows()), found / "value_labels.parquet")
    return found


@pytest.fixture(scope="module")
def data(folder: Path) -> Labelled:
    return load_labels(folder)


def config_of(folder: Path, out: Path) -> DetectorConfig:
    return DetectorConfig(data=folder, out=out, min_texts=2, epochs=10, batch=32)


@pytest.fixture(scope="module")
def trained(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict, list[str]]:
    out = tmp_path_factory.mktemp("detector")
    lines: list[str] = []
    threads = torch.get_num_threads()
    figures = train_detector(config_of(folder, out), lines.append)
    torch.set_num_threads(threads)
    return out, figures, lines


def test_judges_are_kept_apart_and_their_labels_shared(data: Labelled) -> None:
    assert len(data.texts) == len(set(data.texts)) == 240
    both = ~np.isnan(data.labels[OTHER_JUDGE]).any(axis=1)
    assert both.sum() == 80
    above = data.shares_above()
    place = int(np.flatnonzero(both & (data.judged[:, TRADITION] == 1.0))[0])
    assert above[place, TRADITION].tolist() == [1.0, 1.0, 0.5, 0.5]  # one judge says 1, the other 0
    alone = int(np.flatnonzero(~both & (data.judged[:, TRADITION] == -1.0))[0])
    assert above[alone, TRADITION].tolist() == [0.0] * 4


def test_folds_never_part_a_topic(data: Labelled) -> None:
    folds = topic_folds(data.topics, 5, np.random.default_rng(3))
    assert all(len(set(folds[data.topics == topic])) == 1 for topic in set(data.topics.tolist()))
    assert np.bincount(folds).tolist() == [48] * 5
    assert (topic_folds(data.topics, 5, np.random.default_rng(3)) == folds).all()
    with pytest.raises(ConfigurationError, match="cannot make 11 folds"):
        topic_folds(data.topics, 11, np.random.default_rng(0))


def test_the_fitted_scores_are_those_of_the_detector(data: Labelled, folder: Path, tmp_path: Path) -> None:
    config = config_of(folder, tmp_path)
    corpus, everything = (
        Corpus([sentences(text) for text in data.texts], data.topics),
        np.arange(len(data.texts)),
    )
    fitted = fit(corpus, everything, data.shares_above(), config)
    scores = scores_of(fitted, corpus, everything, config)
    detector = BundledDetector(calibrated(fitted, config, scores, data.judged))
    read = np.array([detector.score(text).logits for text in data.texts])
    assert read == pytest.approx(scores, abs=1e-5)
    again = fit(corpus, everything, data.shares_above(), config)
    assert (again.weight == fitted.weight).all()
    other = fit(corpus, everything, data.shares_above(), config.model_copy(update={"seed": 1}))
    assert (other.weight != fitted.weight).any()


def test_no_gram_outgrows_the_limit(data: Labelled, folder: Path, tmp_path: Path) -> None:
    config = config_of(folder, tmp_path).model_copy(update={"limit": 0.5})
    corpus, everything = (
        Corpus([sentences(text) for text in data.texts], data.topics),
        np.arange(len(data.texts)),
    )
    fitted = fit(corpus, everything, data.shares_above(), config)
    assert np.abs(fitted.weight * fitted.vocabulary.idf[:, None]).max() == pytest.approx(0.5, rel=1e-2)


def test_what_words_tell_is_learned_and_the_rest_is_not(trained: tuple[Path, dict, list[str]]) -> None:
    _, figures, lines = trained
    scores = figures["held_out"]["detector"]["macro_f1_by_value"]
    assert scores["Tradition"] > 0.85
    assert scores["Power"] < 0.6  # its labels are drawn by lot
    assert figures["five_fold"]["texts"] == 240
    assert figures["held_out"]["topics"] == 2
    assert sum("had not seen" in line for line in lines) == 9


def test_the_folder_can_be_loaded_by_its_path(trained: tuple[Path, dict, list[str]]) -> None:
    out, figures, _ = trained
    detector = load_detector(str(out))
    assert detector.name == out.name
    high, low = detector.read([f"On canals {FOR} of our land.", f"On canals {AGAINST} of our land."])
    assert high.values[TRADITION] > 0.25 > -0.25 > low.values[TRADITION]
    kept = json.loads((out / "figures.json").read_text(encoding="utf-8"))
    assert kept["held_out"]["topics"] == figures["held_out"]["topics"]
    assert "## Calibration" in (out / "README.md").read_text(encoding="utf-8")


def test_files_that_cannot_be_used_are_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="no file"):
        load_labels(tmp_path)
    path = tmp_path / "value_labels.parquet"
    path.write_text("no parquet", encoding="utf-8")
    with pytest.raises(ConfigurationError, match="no Parquet file"):
        load_labels(tmp_path)
    pq.write_table(pa.table({"text": ["a"]}), path)
    with pytest.raises(ConfigurationError, match="lacks the columns values, judge, topic_id"):
        load_labels(tmp_path)
    row = {"text": "a", "judge": OTHER_JUDGE, "topic_id": 1, "values": [0.0] * 10}
    pq.write_table(pa.Table.from_pylist([row]), path)
    with pytest.raises(ConfigurationError, match="1 of 1 texts have no label"):
        load_labels(tmp_path)
    pq.write_table(pa.Table.from_pylist([row | {"values": [0.0] * 9}]), path)
    with pytest.raises(TargetError, match="row 0: values has 9 numbers"):
        load_labels(tmp_path)
