"""Supervised pairs: hindsight targets, kept sentences, filters."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rewriter.pairs.config import RequestConfig, SupervisedConfig, UnitConfig
from rewriter.pairs.material import held_out_requests, training_requests, training_rows
from rewriter.pairs.requests import make_requests
from rewriter.pairs.storage import keep_pairs, read_pairs
from rewriter.pairs.supervised import (
    constructed_units,
    exchange,
    exchange_clauses,
    real_pairs,
    supervised_pairs,
)
from rewriter.pairs.units import Unit, read_units
from rewriter.sentences import split_sentences
from tests.unit.rewriter.pairs.fakes import BagEmbedder, WordDetector, WordJudge, write_labels

CONFIG = SupervisedConfig(
    real=20,
    constructed=60,
    draws=4,
    asked=RequestConfig(sizes=(0.3, 1.2)),
    similarity=0.5,
    least_movement=0.3,
    consistency=0.4,
)


@pytest.fixture(scope="module")
def units(tmp_path_factory: pytest.TempPathFactory) -> tuple[Unit, ...]:
    folder: Path = write_labels(tmp_path_factory.mktemp("data"))
    return read_units(folder, WordDetector(), None, UnitConfig(least_characters=5)).training


def test_targets_are_what_the_detector_reads_in_the_answers(units: tuple[Unit, ...]) -> None:
    pairs = supervised_pairs(units, WordDetector(), WordJudge(), BagEmbedder().embed, CONFIG)
    assert {pair.origin for pair in pairs} == {"real", "constructed", "identity"}
    for pair in pairs:
        for text, values in (
            (pair.row.request.source, pair.row.request.before),
            (pair.row.answer, pair.row.request.target),
        ):
            assert np.allclose(WordDetector().read([text])[0].values, values, atol=1e-4)


def test_pairs_move_and_keep(units: tuple[Unit, ...]) -> None:
    pairs = supervised_pairs(units, WordDetector(), WordJudge(), BagEmbedder().embed, CONFIG)
    moved = [pair for pair in pairs if pair.origin != "identity"]
    judged = WordJudge().judge([(pair.row.request.source, pair.row.answer) for pair in moved])
    assert min(pair.movement for pair in moved) >= 0.3
    assert min(found.mean for found in judged) >= 0.4
    same = [pair for pair in pairs if pair.origin == "identity"]
    assert all(pair.row.answer == pair.row.request.source and pair.movement == 0.0 for pair in same)
    assert len(same) == pytest.approx(0.08 * len(pairs), abs=1.0)


def test_pairs_are_a_function_of_the_seed(units: tuple[Unit, ...]) -> None:
    made = [
        supervised_pairs(
            units,
            WordDetector(),
            WordJudge(),
            BagEmbedder().embed,
            CONFIG.model_copy(update={"seed": seed}),
        )
        for seed in (0, 0, 1)
    ]
    assert made[0] == made[1]
    assert made[0] != made[2]


def test_a_search_comes_nearer_to_its_target_with_more_edits_and_draws(units: tuple[Unit, ...]) -> None:
    asked = make_requests(units, CONFIG.constructed, CONFIG.seed, CONFIG.asked)

    def left(edits: int, draws: int) -> float:
        config = CONFIG.model_copy(update={"edits": edits, "draws": draws})
        made: dict[str, list[np.ndarray]] = {}
        for source, found in constructed_units(units, WordDetector(), config):
            assert source.text != found.text
            made.setdefault(source.text, []).append(np.array(found.values))
        nearest = [
            min(
                [one.size]
                + [
                    float(np.linalg.norm(values - np.array(one.request.target)))
                    for values in made.get(one.request.source, [])
                ]
            )
            for one in asked
        ]
        return float(np.mean(nearest))

    assert left(1, 1) < np.mean([one.size for one in asked])
    assert left(2, 8) < left(1, 1)


def test_real_pairs_are_near_in_meaning_on_one_topic_and_go_both_ways(units: tuple[Unit, ...]) -> None:
    pairs = real_pairs(units, BagEmbedder().embed, CONFIG)
    topics = {unit.text: unit.topic_id for unit in units}
    for pair in pairs:
        source, answer = pair.row.request.source, pair.row.answer
        assert topics[source] == topics[answer] == pair.topic_id
        one, two = BagEmbedder().embed([source, answer])
        assert float(one @ two) >= 0.5
    directed = {(pair.row.request.source, pair.row.answer) for pair in pairs}
    assert sum((answer, source) in directed for source, answer in directed) >= len(directed) - 1


words = st.lists(
    st.text(alphabet="abcdef", min_size=3, max_size=8).map(lambda word: f"{word.title()} is so."),
    min_size=1,
    max_size=4,
    unique=True,
)


@given(source=words, donor=words, seed=st.integers(0, 2**31))
def test_an_exchange_keeps_something_of_the_source_and_invents_nothing(
    source: list[str], donor: list[str], seed: int
) -> None:
    made = split_sentences(exchange(source, donor, np.random.default_rng(seed)))
    assert set(made) <= set(source) | set(donor)
    assert set(made) & set(source)
    assert len(source) <= len(made) <= len(source) + 1
    kept = [sentence for sentence in made if sentence in source]
    assert kept == [sentence for sentence in source if sentence in kept]


def test_a_last_clause_is_exchanged_and_the_rest_stays() -> None:
    source = ["Roads matter, as they join us.", "All agree."]
    found = {
        exchange_clauses(source, ["We pay, ensuring order.", "No clause here."], np.random.default_rng(seed))
        for seed in range(20)
    }
    assert found == {
        "Roads matter, ensuring order. All agree.",
        "Roads matter, as they join us. All agree, ensuring order.",
    }


def test_without_other_clauses_nothing_is_exchanged() -> None:
    source = ["Roads matter, ensuring order."]
    for donor in (["No clause here."], ["We pay, ensuring order."]):
        assert exchange_clauses(source, donor, np.random.default_rng(0)) == source[0]


def test_with_nothing_else_to_say_an_exchange_changes_nothing() -> None:
    source = ["One is so.", "Two is so."]
    assert exchange(source, source[:1], np.random.default_rng(0)) == "One is so. Two is so."


def test_kept_pairs_are_read_as_they_were(units: tuple[Unit, ...], tmp_path: Path) -> None:
    pairs = supervised_pairs(units, WordDetector(), WordJudge(), BagEmbedder().embed, CONFIG)
    keep_pairs(tmp_path / "pairs.parquet", pairs)
    assert read_pairs(tmp_path / "pairs.parquet") == pairs


def test_material_is_of_training_topics_and_requests_for_measuring_are_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, work = write_labels(tmp_path), tmp_path / "work"
    monkeypatch.setattr("agents.embedding.load_embedder", BagEmbedder)
    detector, judge = WordDetector(), WordJudge()
    config = UnitConfig(least_characters=5)
    monkeypatch.setattr("rewriter.pairs.units.UnitConfig", lambda: config)
    rows = training_rows(data, work, detector, judge, CONFIG)
    assert training_rows(data, work, detector, judge, CONFIG) == rows
    asked = RequestConfig(sizes=(0.3, 1.2))
    held_out = held_out_requests(data, 20, 0, work, detector, asked)
    trained = training_requests(data, 20, 0, work, detector, asked)
    out = {one.request.source for one in held_out}
    assert not out & {request.source for request in trained}
    assert not out & ({row.request.source for row in rows} | {row.answer for row in rows})
