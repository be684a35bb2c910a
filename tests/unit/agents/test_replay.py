"""Published negotiations read from small files in both layouts, and replayed."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from agents.replay.embedding import BATCH, embed_distinct
from agents.replay.games import run_games, run_texts, run_weights
from agents.replay.reading import read_published, sample
from agents.replay.run import over_topics, replay
from agents.replay.vocabulary import PublishedRun
from negotiation.errors import ConfigurationError, EmbeddingError
from negotiation.metagame import Weights
from negotiation.replay import PublishedGame

SHARED = Path(__file__).parents[4] / "shared" / "data" / "negotiations"
PAIR = ("Confucian", "Latin_America")


class FakeEncoder:
    """Vectors from the letters of a text: no meaning, but the same text has the same one."""

    name, bfloat16 = "letters", False

    def encode_batch(self, texts: Sequence[str]) -> np.ndarray:
        return np.array([[1.0 + text.count(letter) for letter in "aeioustr"] for text in texts])


def turn(number: int, side: str, weights: dict[str, float] | None = None, **other: Any) -> dict[str, Any]:
    held = [f"start {side}", *(f"move {side}{k}" for k in range(1, number + 1))]
    usual = {heading: 1.0 / len(held) for heading in held}
    return {
        "round": number,
        "side": side,
        "content": f"move {side}{number}",
        "reason": f"since {side} {'x' * number}",
        "description": f"let {side} do {number} things",
        "speech": "not read",
        "utility": 0.5,
        "weights": [{"content": name, "weight": share} for name, share in (weights or usual).items()],
        **other,
    }


def row(topic_id: int = 7, rounds: int = 2, **other: Any) -> dict[str, Any]:
    return {
        "method": "psro",
        "culture_a": PAIR[0],
        "culture_b": PAIR[1],
        "category": "Rivers",
        "topic_id": topic_id,
        "topic": "Should rivers be tamed?",
        "initial_a": "We of a like dams.",
        "initial_b": "We of b like floods.",
        "consensus_a": "Some dams.",
        "consensus_b": "Some floods.",
        "rounds_run": rounds,
        "consensus_reached": True,
        "turns": [turn(number, side) for number in range(1, rounds + 1) for side in "ab"],
        **other,
    }


def write(folder: Path, rows: list[dict[str, Any]]) -> Path:
    path = folder / "negotiations.parquet"
    pq.write_table(pa.Table.from_pylist(rows), path)
    return path


def released_file(folder: Path, run: dict[str, Any]) -> Path:
    """The same run in the layout of the released repository."""
    names = {"a": run["culture_a"], "b": run["culture_b"]}
    history = []
    for number in range(1, run["rounds_run"] + 1):
        turns = {one["side"]: one for one in run["turns"] if one["round"] == number}
        exchange: dict[str, Any] = {}
        for side, name in names.items():
            one = turns[side]
            exchange[f"{name}_best_response"] = (
                f"{one['content']}: reason: {one['reason']}. detail: {one['description']}"
            )
            exchange[f"{name}_utility"] = {"consistency": 0.1, "total": one["utility"]}
        weights = {
            f"{name}_distribution": {entry["content"]: entry["weight"] for entry in turns[side]["weights"]}
            for side, name in names.items()
        }
        history.append({"round": number, "second_exchange": exchange, "guidelines_weight": weights})
    tree = {
        "topic": run["topic"],
        "initial_response": {name: run[f"initial_{side}"] for side, name in names.items()},
        "history": history,
        "consensus_response": {name: run[f"consensus_{side}"] for side, name in names.items()},
        "meta_data": {
            "max_rounds": 10,
            "true_rounds": run["rounds_run"],
            "consensus_reached": run["consensus_reached"],
        },
    }
    path = folder / "data" / "debate_data" / " and ".join(names.values()) / "OurMethod" / run["category"]
    path.mkdir(parents=True, exist_ok=True)
    file = path / f"psro_{run['topic_id']}_2025-05-01_Somewhere.json"
    file.write_text(json.dumps(tree), encoding="utf-8")
    return file


def test_both_layouts_hold_the_same_run(tmp_path: Path) -> None:
    released_file(tmp_path / "code", row())
    write(tmp_path, [row()])
    [one] = read_published(tmp_path).runs
    [other] = read_published(tmp_path / "code").runs
    assert other.model_copy(update={"where": one.where}) == one
    assert other.where.endswith("psro_7_2025-05-01_Somewhere.json")
    assert one.headings("b") == ["start b", "move b1", "move b2"]


def test_folder_file_and_folder_above_are_taken(tmp_path: Path) -> None:
    folder = tmp_path / "negotiations"
    folder.mkdir()
    path = write(folder, [row(), row(method="debate", turns=None)])
    for place in (path, folder, tmp_path):
        reading = read_published(place)
        assert (len(reading.runs), reading.others, reading.faults) == (1, 1, ())


def broken(**change: Any) -> dict[str, Any]:
    first, *rest = row()["turns"]
    return row(turns=[{**first, **change}, *rest])


def weighted(*shares: float) -> list[dict[str, Any]]:
    return [
        {"content": name, "weight": share} for name, share in zip(("start a", "move a1"), shares, strict=True)
    ]


@pytest.mark.parametrize(
    ("bad", "told"),
    [
        (row(turns=None), "turns: Tuple should have at least 1 item"),
        (row(turns=[]), "turns: Tuple should have at least 1 item"),
        (row(turns=row()["turns"][1:]), "every round from 1 needs one of each side"),
        (row(rounds=2, rounds_run=3), "every round from 1 needs one of each side"),
        (row(consensus_reached=None), "consensus_reached: Input should be a valid boolean"),
        (row(initial_b="  "), "initial_b: String should match pattern"),
        (broken(content=None), "turns.0.content: Input should be a valid string"),
        (broken(side="c"), "turns.0.side: Input should be 'a' or 'b'"),
        (broken(weights=weighted(0.4, 0.4)), "side a, round 1: weights sum to 0.800"),
        (broken(weights=weighted(1.5, -0.5)), "outside [0, 1]"),
        (broken(weights=weighted(float("nan"), 0.5)), "turns.0.weights.0.weight: Input should be a finite number"),
        (broken(weights=weighted(0.5, 0.5)[:1]), "side a, round 1: weights and pool differ in the headings ['move a1']"),
        (row(method=None), "method: is missing"),
    ],
)  # fmt: skip
def test_bad_rows_are_told_by_row(tmp_path: Path, bad: dict[str, Any], told: str) -> None:
    write(tmp_path, [row(), bad, row(topic_id=8)])
    reading = read_published(tmp_path)
    assert [run.topic_id for run in reading.runs] == [7, 8]
    [fault] = reading.faults
    assert fault.where == "row 1"
    assert told in fault.what


def test_turns_of_another_type_are_told(tmp_path: Path) -> None:
    write(tmp_path, [row(turns="none to speak of")])
    with pytest.raises(ConfigurationError, match=r"not one usable psro run \(1 faulty ones.*row 0: turns:"):
        read_published(tmp_path)


def test_missing_columns_are_named(tmp_path: Path) -> None:
    bare = row()
    del bare["turns"], bare["topic"]
    write(tmp_path, [bare])
    with pytest.raises(ConfigurationError, match="lacks the columns topic, turns"):
        read_published(tmp_path)


def test_what_is_no_parquet_is_told(tmp_path: Path) -> None:
    (tmp_path / "negotiations.parquet").write_text("hello")
    with pytest.raises(ConfigurationError, match="cannot be read as Parquet"):
        read_published(tmp_path)


def test_an_empty_folder_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"no negotiations.parquet and no psro_\*.json"):
        read_published(tmp_path)


def test_bad_released_files_are_told_by_file(tmp_path: Path) -> None:
    released_file(tmp_path, row(topic_id=1))
    for topic_id, change in (
        (2, lambda tree: tree.pop("history")),
        (3, lambda tree: tree["initial_response"].update(Third="x")),
        (4, lambda tree: tree["history"][0]["second_exchange"].update(Confucian_best_response="no form")),
        (5, lambda tree: tree.update(meta_data=None)),
    ):
        file = released_file(tmp_path, row(topic_id=topic_id))
        tree = json.loads(file.read_text())
        change(tree)
        file.write_text(json.dumps(tree))
    released_file(tmp_path, row(topic_id=6)).write_text("{")
    reading = read_published(tmp_path)
    assert [run.topic_id for run in reading.runs] == [1]
    told = {Path(fault.where).name.split("_")[1]: fault.what for fault in reading.faults}
    assert "lacks the field 'history'" in told["2"]
    assert "expected two" in told["3"]
    assert "is not of the form" in told["4"]
    assert "another type" in told["5"]
    assert set(told) == {"2", "3", "4", "5", "6"}


def run(**other: Any) -> PublishedRun:
    tree = {name: value for name, value in row(**other).items() if name != "method"}
    for one in tree["turns"]:
        one.pop("speech", None)
    return PublishedRun.model_validate({"where": "row 0", **tree})


def test_utility_goes_with_the_pair() -> None:
    assert run_weights(run()) == (0.5, 0.5, 0.2)
    assert run_weights(run(culture_a="English_Speaking", culture_b="African_Islamic")) == (0.5, 0.3, 0.2)
    assert run_weights(run(culture_b="English_Speaking", culture_a="African_Islamic")) == (0.5, 0.3, 0.2)
    assert run_weights(run(culture_a="English_Speaking", culture_b="Confucian")) == (0.5, 0.5, 0.2)


def test_games_grow_by_round() -> None:
    one = run()
    vectors = embed_distinct(run_texts(one, "both"), encoder=FakeEncoder())  # type: ignore[arg-type]
    games = run_games(one, vectors, "both")
    assert [[len(pool) for pool in game.pools] for game in games] == [[2, 2], [3, 3]]
    assert games[1].pools[0].guidelines[0].text == "start a. We of a like dams."
    assert games[1].pools[1].guidelines[2].text == "move b2. since b xx let b do 2 things"
    assert games[1].published[1] == pytest.approx([1 / 3] * 3)
    assert np.array_equal(games[0].pools[0].embeddings, games[1].pools[0].embeddings[:2])


@pytest.mark.parametrize(("first", "text"), [("heading", "start a."), ("opening", "We of a like dams..")])
def test_other_texts_may_stand_for_first_guidelines(first: Any, text: str) -> None:
    assert run_texts(run(), first)[0] == text


def test_a_collision_of_headings_keeps_two_guidelines() -> None:
    turns = row()["turns"]
    turns[2] = turn(2, "a", {"start a": 0.5, "move a1": 0.25}, content="move a1")
    one = run(turns=turns)
    vectors = embed_distinct(run_texts(one, "both"), encoder=FakeEncoder())  # type: ignore[arg-type]
    last = run_games(one, vectors, "both")[1]
    assert last.published[0] == pytest.approx([0.5, 0.25, 0.25])
    assert len({guideline.id for guideline in last.pools[0].guidelines}) == 3


def test_samples_are_spread_evenly(tmp_path: Path) -> None:
    write(tmp_path, [row(topic_id=k) for k in range(10)])
    reading = read_published(tmp_path)
    assert [one.topic_id for one in sample(reading, 5)] == [0, 2, 4, 6, 8]
    assert sample(reading, None) == sample(reading, 20) == reading.runs


def test_each_text_is_embedded_once_and_alike() -> None:
    asked: list[str] = []

    class Counting(FakeEncoder):
        def encode_batch(self, texts: Sequence[str]) -> np.ndarray:
            asked.extend(texts)
            return super().encode_batch(texts)

    texts = [f"text {number} {'a' * (number % 7)}" for number in range(3 * BATCH)] * 2
    heard: list[tuple[int, int]] = []
    found = embed_distinct(texts, lambda done, total: heard.append((done, total)), Counting())  # type: ignore[arg-type]
    assert sorted(asked) == sorted(set(texts))
    assert heard[-1] == (3 * BATCH, 3 * BATCH)
    assert all(np.linalg.norm(found[text]) == pytest.approx(1.0) for text in texts)


def test_a_vector_that_is_not_finite_is_told() -> None:
    class Broken(FakeEncoder):
        def encode_batch(self, texts: Sequence[str]) -> np.ndarray:
            return np.full((len(texts), 4), np.nan)

    with pytest.raises(EmbeddingError, match="letters"):
        embed_distinct(["one"], encoder=Broken())  # type: ignore[arg-type]


def uniform(games: Sequence[PublishedGame]) -> list[Weights]:
    return [[np.full(size, 1 / size) for size in game.game.sizes] for game in games]


def test_replay_measures_last_games_and_all_rounds(tmp_path: Path) -> None:
    write(tmp_path, [row(topic_id=1), row(topic_id=2, rounds=3), row(topic_id=3, turns=None)])
    found = replay(
        read_published(tmp_path),
        algorithms={"uniform": uniform},
        encoder=FakeEncoder(),  # type: ignore[arg-type]
    )
    tree = found.tree()
    assert (tree["games"], tree["games_of_all_rounds"], tree["faults"]["count"]) == (2, 5, 1)
    assert [(line.round, line.games) for line in found.rounds] == [(1, 2), (2, 2), (3, 1)]
    # These runs were published with uniform weights, so that this algorithm finds the same.
    assert tree["published_algorithm_mean"] == pytest.approx(tree["published_mean"], abs=1e-12)
    assert found.algorithms[0].every_round_mean == pytest.approx(found.every_round["published"], abs=1e-12)
    assert tree["ours_max"] <= 1e-9
    assert found.weights == {"all": 10, "summing_to_one": 10, "with_shared_headings": 0}
    assert json.loads(json.dumps(tree, allow_nan=False)) == json.loads(json.dumps(tree))


def test_replay_is_the_same_again(tmp_path: Path) -> None:
    write(tmp_path, [row(topic_id=k, rounds=2 + k % 2) for k in range(4)])
    trees = [
        replay(read_published(tmp_path), encoder=FakeEncoder()).tree()  # type: ignore[arg-type]
        for _ in range(2)
    ]
    for tree in trees:
        tree.pop("seconds")
    assert trees[0] == trees[1]
    assert trees[0]["published_algorithm_mean"] is None


def test_intervals_are_over_topics() -> None:
    # Every topic twice: two topics, not four runs. Their means are 0 and 1.
    found = over_topics(np.array([0.0, 0.0, 1.0, 1.0]), [1, 1, 2, 2])
    assert (found.estimate, found.units, found.low, found.high) == (0.5, 2, 0.0, 1.0)


@pytest.mark.shared
def test_published_runs_are_all_usable() -> None:
    if not SHARED.is_dir():
        pytest.skip("the shared negotiations are not here")
    reading = read_published(SHARED)
    assert (len(reading.runs), len(reading.faults), reading.others) == (2300, 0, 4570)
    found = replay(reading, limit=12)
    assert found.ours_max <= 1e-9
    assert 0.10 < found.published.estimate < 0.25
    assert found.unmixed.estimate < found.published.estimate
    assert found.stopping.gain_by_weights >= 10
