"""Records: equality, exact storage, damage, versions, and every number computed again."""

from __future__ import annotations

import os
import pickle
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from negotiation.audit import recompute
from negotiation.config import GameConfig, LogitConfig
from negotiation.errors import GameError, RecordError
from negotiation.guideline import Pool
from negotiation.oracle import Proposals
from negotiation.record import Equilibrium, NegotiationRecord, Timing
from negotiation.storage import SCHEMA, VERSION_KEY, from_row, read_records, to_row, write_records
from negotiation.utility import Acceptance, Consistency, Utility
from tests.unit.negotiation.scripted import DrawingOracle, ScriptedOracle, play


@pytest.fixture(scope="module")
def record() -> NegotiationRecord:
    """Three players, mixed weights, several rounds."""
    config = GameConfig(
        solver=LogitConfig(rationality=4.0), rounds=3, update="alternating", candidates_per_kind=2
    )
    return play([DrawingOracle()] * 3, config, seed=3, provenance={"model": "none", "about": "ä \n 文"})


@pytest.fixture(scope="module")
def sparse() -> NegotiationRecord:
    """No candidates at all, and a round in which kinds are missing."""
    missing = Proposals(malformed=2, missing=("adversarial",))
    return play([ScriptedOracle(0, {1: missing}), ScriptedOracle(90)])


def changed(record: NegotiationRecord, number: int, **fields: object) -> NegotiationRecord:
    """The record with fields of the first candidate of a round changed."""
    played = record.rounds[number]
    move = played.moves[0]
    candidate = replace(move.candidates[0], **fields)
    moves = (replace(move, candidates=(candidate, *move.candidates[1:])), *played.moves[1:])
    rounds = (*record.rounds[:number], replace(played, moves=moves), *record.rounds[number + 1 :])
    return replace(record, rounds=rounds)


def test_parquet_round_trip_is_exact(record, sparse, tmp_path):
    path = tmp_path / "a.parquet"
    write_records(path, [record, sparse])
    found = read_records(path)
    assert found == [record, sparse]
    assert [one.digest() for one in found] == [record.digest(), sparse.digest()]
    assert found[0].timings == record.timings
    for ours, theirs in zip(record.pools, found[0].pools, strict=True):
        assert ours.embeddings.tobytes() == theirs.embeddings.tobytes()
    assert found[0].game_config() == record.game_config()
    assert pq.read_schema(path).equals(SCHEMA)
    assert pq.read_metadata(path).num_rows == 2


@settings(max_examples=100)
@given(st.floats(allow_nan=False, allow_infinity=False), st.floats(min_value=1e-300, max_value=1.0))
def test_every_float_comes_back_bit_by_bit(number, small):
    found = Equilibrium(
        "s", (np.array([1.0]),), np.array([number, -0.0]), np.array([small, 5e-324]), number, 1, True
    )
    base = _simple()
    table = pa.Table.from_pylist([to_row(replace(base, final=found))], schema=SCHEMA)
    (row,) = table.to_pylist()
    back = from_row(row).final
    assert back == found
    assert back.payoffs.tobytes() == found.payoffs.tobytes()
    assert back.regrets.tobytes() == found.regrets.tobytes()


_made: list[NegotiationRecord] = []


def _simple() -> NegotiationRecord:
    if not _made:
        _made.append(play([ScriptedOracle(0), ScriptedOracle(90)]))
    return _made[0]


def test_uri_of_a_filesystem(record, tmp_path):
    uri = f"file://{tmp_path}/b.parquet"
    write_records(uri, [record])
    assert read_records(uri) == [record]
    assert read_records(tmp_path / "b.parquet") == [record]
    assert [path.name for path in tmp_path.iterdir()] == ["b.parquet"]


def test_equality_is_by_content_without_timings(record):
    assert replace(record, timings=(Timing(0, "open", 99.0),)) == record
    assert replace(record, seed=record.seed + 1) != record
    assert (
        changed(record, 0, utility=np.nextafter(record.rounds[0].moves[0].candidates[0].utility, 9)) != record
    )
    assert record != "record"
    assert record.seconds >= 0


def test_everything_pickles(record):
    again = pickle.loads(pickle.dumps(record))
    assert again == record
    assert again.timings == record.timings
    oracle = ScriptedOracle(0)
    play([oracle, ScriptedOracle(90)])
    view = pickle.loads(pickle.dumps(oracle.views[0][1]))
    assert view.seed == oracle.views[0][1].seed
    assert view.weights[0].tolist() == [1.0]


def test_damage_is_noticed(record, tmp_path):
    path = tmp_path / "a.parquet"
    write_records(path, [record])
    whole = path.read_bytes()
    rng = np.random.default_rng(0)
    spots = [5, len(whole) // 2, len(whole) - 20, *rng.integers(4, len(whole) - 8, size=60)]
    for spot in spots:
        broken = bytearray(whole)
        broken[spot] ^= 0x10
        path.write_bytes(bytes(broken))
        try:
            found = read_records(path)
        except RecordError as error:
            assert str(path) in str(error)  # noqa: PT017  (some flips are harmless, so no pytest.raises)
        else:
            # Some bytes carry nothing, such as unused statistics: then the record must be whole.
            assert found == [record]


@pytest.mark.parametrize("content", [b"", b"PAR1", b"not parquet at all" * 50])
def test_files_that_are_no_parquet(content, tmp_path):
    path = tmp_path / "a.parquet"
    path.write_bytes(content)
    with pytest.raises(RecordError, match=r"a\.parquet.*delete it"):
        read_records(path)


def test_cut_file_missing_file_and_folder(record, tmp_path):
    path = tmp_path / "a.parquet"
    write_records(path, [record])
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(RecordError, match=r"a\.parquet.*delete it"):
        read_records(path)
    with pytest.raises(RecordError, match=r"none\.parquet: no such file"):
        read_records(tmp_path / "none.parquet")
    with pytest.raises(RecordError, match=str(tmp_path)):
        read_records(tmp_path)


def test_other_parquet_and_other_version(record, tmp_path):
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"x": [1]}), path)
    with pytest.raises(RecordError, match=r"a\.parquet.*not of negotiation records"):
        read_records(path)
    table = pa.Table.from_pylist([to_row(record)], schema=SCHEMA)
    pq.write_table(table.replace_schema_metadata({VERSION_KEY: b"99"}), path)
    with pytest.raises(
        RecordError, match=r"a\.parquet has record schema version 99; this Concordat reads 1\..*new run"
    ):
        read_records(path)
    with pytest.raises(RecordError, match="version 2"):
        from_row({**to_row(record), "schema_version": 2})


@pytest.mark.parametrize(
    "change",
    [
        {"seed": 4},
        {"stop_reason": None},
        {"pools": []},
        {"players": ["a", 3, "c"]},
        {"final": None},
        {"opening_embeddings": [[1.0], [1.0, 2.0]]},
    ],
    ids=lambda change: next(iter(change)),
)
def test_changed_rows_are_refused(record, change):
    with pytest.raises(RecordError, match=record.negotiation_id):
        from_row({**to_row(record), **change})
    row = to_row(record)
    del row[next(iter(change))]
    with pytest.raises(RecordError, match="damaged"):
        from_row(row)


def test_a_failed_write_leaves_the_old_file(record, sparse, tmp_path, monkeypatch):
    path = tmp_path / "a.parquet"
    write_records(path, [record])

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_records(path, [sparse])
    assert read_records(path) == [record]
    assert list(tmp_path.iterdir()) == [path]


def test_every_number_computes_again(record, sparse):
    for one in (record, sparse):
        found = recompute(one, solve_again=True)
        assert found.largest_difference <= 1e-12
        assert found.compared > 10


def test_wrong_numbers_are_found(record):
    gain = record.rounds[0].moves[0].candidates[0].gain
    found = recompute(changed(record, 0, gain=gain - 1e-6))
    assert found.largest_difference == pytest.approx(1e-6)
    assert found.where == "round 1, player 0, candidate 0: gain"
    payoffs = replace(record.final, payoffs=record.final.payoffs + np.array([0.0, 0.0, 0.5]))
    assert recompute(replace(record, final=payoffs)).where == "final: payoffs"
    blunt = tuple(np.full(len(w), 1 / len(w)) for w in record.final.weights)
    assert recompute(replace(record, final=replace(record.final, weights=blunt))).largest_difference > 1e-3


def test_wrong_stories_are_found(record):
    first = next(c for c in record.rounds[0].moves[0].candidates)
    with pytest.raises(RecordError, match="accepted"):
        recompute(changed(record, 0, accepted=not first.accepted, guideline_id=f"p0-r1-{first.draft.kind}"))
    unknown = replace(record.final, payoffs=np.full(3, np.nan))
    with pytest.raises(RecordError, match=r"final: payoffs.*not finite"):
        recompute(replace(record, final=unknown))
    short = tuple(Pool(p.player, p.guidelines[:1], p.embeddings[:1]) for p in record.pools)
    with pytest.raises(RecordError, match="did not grow"):
        recompute(replace(record, pools=short))
    with pytest.raises(RecordError, match="follows"):
        recompute(replace(record, converged=not record.converged))
    with pytest.raises(RecordError, match="follows"):
        recompute(replace(record, stop_reason="boredom"))


def test_a_utility_of_ones_own():
    """A term that the loop has never heard of is played, recorded and computed again."""

    class Bluntness:
        name = "bluntness"
        weight = 0.3

        def own(self, pool: Pool) -> np.ndarray:
            return np.array([1.0 / len(guideline.text) for guideline in pool.guidelines])

    utility = Utility((Consistency(0.2), Acceptance(0.7), Bluntness()))
    record = play([DrawingOracle()] * 2, utility=utility)
    assert record.terms == {"consistency": 0.2, "acceptance": 0.7, "bluntness": 0.3}
    assert set(record.rounds[0].moves[0].candidates[0].parts) == set(record.terms)
    assert recompute(record, utility).largest_difference <= 1e-12
    with pytest.raises(RecordError, match="bluntness"):
        recompute(record)


@pytest.mark.parametrize("weights", [[0.5, 0.4], [1.5, -0.5], [np.nan, 1.0]])
def test_weights_must_be_a_distribution(weights):
    with pytest.raises(GameError, match="player 1"):
        Equilibrium("s", (np.array([1.0]), np.array(weights)), np.zeros(2), np.zeros(2), 0.0, 1, True)


def test_schema_names_the_fields_of_the_record():
    names = {*NegotiationRecord.__dataclass_fields__, "digest"}
    assert set(SCHEMA.names) == names
