"""Learning and measuring the calibration, on texts made here and with vectors that know only words."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from negotiation.errors import ConfigurationError
from rewriter.consistency.calibrate import best_cut, fit, main, make_pairs, measure, read_passages
from rewriter.consistency.calibration import BUNDLED_CALIBRATION
from rewriter.consistency.pairs import KINDS, Pair, make_pair
from rewriter.consistency.tokens import TokenText
from rewriter.sentences import split_sentences
from rewriter.vocabulary import Consistency

SUBJECTS = ["Schools", "Rivers", "Markets", "Courts", "Festivals", "Borders", "Harvests", "Libraries"]
VERBS = ["should help", "must protect", "can show", "will need", "may improve"]
OBJECTS = [
    "many old people",
    "the whole nation",
    "a new idea of freedom",
    "strong and clear rules",
    "poor children",
]


def passage(draw: np.random.Generator, subject: str) -> str:
    return " ".join(
        f"{subject} of the {draw.choice(['north', 'south', 'east', 'west'])} {draw.choice(VERBS)} {draw.choice(OBJECTS)}"
        f" because the {draw.choice(['elders', 'young', 'farmers'])} often ask for it."
        for _ in range(4)
    )


@pytest.fixture(scope="module")
def passages() -> dict[int, list[str]]:
    draw = np.random.default_rng(0)
    return {topic: [passage(draw, subject) for _ in range(4)] for topic, subject in enumerate(SUBJECTS)}


class WordVectors:
    """A vector a word, the same wherever it stands."""

    def encode(self, texts: Sequence[str]) -> list[TokenText]:
        return [self._text(text) for text in texts]

    def _text(self, text: str) -> TokenText:
        sentences = split_sentences(text)
        words = [sentence.lower().strip(".").split() for sentence in sentences]
        rows = np.array([self._word(word) for sentence in words for word in sentence], dtype=np.float32)
        bounds = np.cumsum([0, *(len(sentence) for sentence in words)])
        return TokenText(rows, np.arange(len(rows)), bounds, tuple(sentences))

    def _word(self, word: str) -> Any:
        seed = int.from_bytes(hashlib.sha256(word.encode()).digest()[:4])
        vector = np.random.default_rng(seed).normal(size=16) + 0.5
        return vector / np.linalg.norm(vector)


class Teller:
    """A judge that knows some pairs and gives all others one half."""

    name = "teller"

    def __init__(self, known: dict[tuple[str, str], Consistency]) -> None:
        self.known = known

    def judge(self, pairs: Sequence[tuple[str, str]]) -> list[Consistency]:
        return [self.known.get(pair, Consistency(0.5, 0.5)) for pair in pairs]


def test_fit_tells_supported_sentences_from_others(passages: dict[int, list[str]]) -> None:
    pairs = make_pairs(passages, list(passages), 2, np.random.default_rng(1))
    assert {pair.kind for pair in pairs} == set(KINDS)
    calibration = fit(pairs, WordVectors(), 6, 0)  # type: ignore[arg-type]
    assert all(weight >= 0 for weight in calibration.weights)
    assert sum(calibration.weights) > 1
    matched, baseline = calibration.probability(np.array([[1.0, 1.0, 1.0], calibration.baseline]))
    assert matched > 0.9
    assert baseline < matched - 0.2, "these topics share most of their words"
    steeper = fit(pairs, WordVectors(), 6, 0, penalty=0.0)  # type: ignore[arg-type]
    assert sum(steeper.weights) > sum(calibration.weights)


def test_pairs_stay_within_their_topics(passages: dict[int, list[str]]) -> None:
    for pair in make_pairs(passages, [0, 1], 3, np.random.default_rng(2)):
        assert not any(subject in pair.text for subject in SUBJECTS[2:])
    with pytest.raises(ConfigurationError, match="at least two"):
        make_pairs(passages, [0], 1, np.random.default_rng(2))


def test_figures_by_hand() -> None:
    draw = np.random.default_rng(0)
    pairs = []
    for kind in KINDS:
        text = passage(draw, "Schools")
        made = make_pair(kind, text, [passage(draw, "Rivers")], [passage(draw, "Courts")], draw)
        assert made is not None
        pairs.append(made)
    other = make_pair("paraphrase", passage(draw, "Markets"), [], [], draw)
    assert other is not None
    pairs.append(other)

    def of(kind: str) -> Pair:
        return next(pair for pair in pairs if pair.kind == kind)

    scores = {
        "paraphrase": Consistency(0.8, 0.8),
        "dropped": Consistency(0.9, 0.8),
        "number": Consistency(0.6, 0.1, ("number lost: 3",)),
    }
    known = {(of(kind).source, of(kind).text): score for kind, score in scores.items()}
    known[(other.source, other.text)] = Consistency(0.4, 1.0)
    figures = measure(Teller(known), pairs, 0.7)
    assert figures["paraphrase"]["forward"] == {"mean": 0.6}
    assert figures["dropped"]["forward"] == {"mean": 0.9}
    # Backward .8 against paraphrases .8 and 1.0: one tie, one win; told: none as lost, both paraphrases as kept.
    assert figures["dropped"]["backward"] == {"mean": 0.8, "auc": 0.75, "accuracy": 0.5}
    # Forward .6 against .8 and .4, below the cut.
    assert figures["number"]["forward"] == {"mean": 0.6, "auc": 0.5, "accuracy": 0.75}
    assert figures["number"]["with_faults"] == 1.0
    assert figures["unrelated"]["forward"] == {"mean": 0.5, "auc": 0.5, "accuracy": 0.75}
    with pytest.raises(ConfigurationError, match="identical"):
        measure(Teller({}), [pair for pair in pairs if pair.kind != "identical"], 0.5)


def test_the_best_cut_parts_what_can_be_parted() -> None:
    pairs = [
        Pair("A a.", "B b.", "unrelated", (False,), (False,)),
        Pair("A a.", "A a.", "identical", (True,), (True,)),
        Pair("A a. C.", "A a.", "dropped", (True, False), (True,)),
    ]
    scores = [Consistency(0.1, 0.2), Consistency(1.0, 0.95), Consistency(0.81, 0.6)]
    known = {(pair.source, pair.text): score for pair, score in zip(pairs, scores, strict=True)}
    cut = best_cut(Teller(known), pairs)
    assert 0.6 < cut <= 0.81


def test_passages_are_whole_sentences(tmp_path: Path) -> None:
    texts = [
        "One is here. Two is here. Three is cut off in the mid",
        "No sentence at all",
        "Four is here! Five is here?",
    ]
    pq.write_table(
        pa.table({"text": texts + texts[:1], "topic_id": [1, 1, 2, 1]}), tmp_path / "value_labels.parquet"
    )
    read = read_passages(tmp_path, np.random.default_rng(0))
    assert set(read) == {1, 2}
    assert len(read[1]) == 1
    assert "cut off" not in read[1][0]
    assert read[2] in (["Four is here! Five is here?"],)


def test_data_that_cannot_be_read_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["--data", str(tmp_path), "--out", str(tmp_path)])
    assert stop.value.code == 1
    assert "value_labels.parquet" in capsys.readouterr().err
    pq.write_table(pa.table({"text": ["A."]}), tmp_path / "value_labels.parquet")
    with pytest.raises(ConfigurationError, match="topic_id"):
        read_passages(tmp_path, np.random.default_rng(0))


def test_the_shipped_figures_hold_every_kind() -> None:
    figures = json.loads((BUNDLED_CALIBRATION.parent / "figures.json").read_text(encoding="utf-8"))
    assert set(figures["kinds"]) == set(KINDS)
    for kind in ("dropped", "unrelated"):
        assert figures["kinds"][kind]["backward"]["auc"] > 0.95
    for kind in ("added", "added_near", "number", "unrelated"):
        assert figures["kinds"][kind]["forward"]["auc"] > 0.9
    assert figures["kinds"]["identical"]["forward"]["mean"] > 0.99
