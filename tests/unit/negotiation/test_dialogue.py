"""Records of dialogues: storage, damage, versions, and what they must hold."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from negotiation.dialogue import DIALOGUE_METHODS, STOP_REASONS, DialogueRecord, Election, Turn
from negotiation.dialogue_storage import LAYOUT, read_dialogues, write_dialogues
from negotiation.errors import RecordError
from negotiation.oracle import Draft, Opening
from negotiation.outcome import METHODS
from negotiation.record import Timing
from negotiation.storage import read_records, write_records
from negotiation.topic import Topic
from tests.unit.negotiation.scripted import ScriptedOracle, play

DRAFT = Draft("initial", "H", "R", "D")
DEBATE = DialogueRecord(
    negotiation_id="tax-1",
    method="debate",
    topic=Topic("tax", "Should inheritance be taxed? ä \n 文", "law"),
    players=("a", "b"),
    seed=3,
    config='{"rounds":2}',
    embedder="places",
    provenance={"model": "none"},
    openings=(Opening("A opens", DRAFT), Opening("B opens", DRAFT, 2)),
    turns=(Turn(1, 0, "one"), Turn(1, 1, "I agree.", True), Turn(2, 0, "I agree.", True)),
    elections=(),
    consensus=("A ends", "B ends"),
    opening_embeddings=np.eye(2),
    consensus_embeddings=np.array([[0.6, 0.8], [1.0, 0.0]]),
    stop_reason="agreement",
    malformed=1,
    timings=(Timing(0, "open", 1.5), Timing(1, "turn", 0.25)),
)
ELECTION = Election(
    round=1,
    candidates=("x", "y"),
    scores=((-1.5, -0.1), (-0.2, -5e-324)),
    ranks=((1, 0), (1, 0)),
    defeats=((0, 0), (2, 0)),
    tied=(1,),
    winner=1,
    critiques=("too short", "too long"),
)
MEDIATOR = replace(
    DEBATE, method="mediator", turns=(), elections=(ELECTION,), consensus=("y", "y"), stop_reason="vote"
)
CONSULTANCY = replace(DEBATE, method="consultancy", turns=(), stop_reason="answered")


def test_parquet_round_trip_is_exact(tmp_path):
    path = tmp_path / "a.parquet"
    records = [DEBATE, MEDIATOR, CONSULTANCY]
    write_dialogues(path, records)
    found = read_dialogues(path)
    assert found == records
    assert [one.digest() for one in found] == [one.digest() for one in records]
    assert [one.timings for one in found] == [one.timings for one in records]
    assert LAYOUT.version_of(path) == "1"
    assert set(LAYOUT.schema.names) == {*DialogueRecord.__dataclass_fields__, "digest"}


@given(st.floats(allow_nan=False, allow_infinity=False), st.text())
def test_every_float_and_text_comes_back(number, text):
    election = replace(ELECTION, scores=((number, -0.0), (0.0, number)), critiques=(text,))
    record = replace(MEDIATOR, elections=(election,), opening_embeddings=np.array([[number], [1.0]]))
    assert LAYOUT.from_row(LAYOUT.to_row(record)) == record


def test_what_the_methods_say_of_themselves():
    assert (DEBATE.rounds, DEBATE.converged, DEBATE.winner, DEBATE.seconds) == (2, True, None, 1.75)
    assert replace(DEBATE, stop_reason="round-limit").converged is False
    assert (MEDIATOR.rounds, MEDIATOR.converged, MEDIATOR.winner) == (1, None, "y")
    assert (CONSULTANCY.rounds, CONSULTANCY.converged) == (None, None)
    assert DEBATE.statement_distances() == pytest.approx(np.array([[0.4, 0.2], [0.0, 1.0]]))
    assert ("psro", *DIALOGUE_METHODS) == METHODS


def test_the_outcome_is_that_of_the_record():
    outcome = MEDIATOR.outcome()
    assert (outcome.id, outcome.method, outcome.seed) == ("tax-1", "mediator", 3)
    assert (outcome.openings, outcome.consensus) == (("A opens", "B opens"), ("y", "y"))
    assert (outcome.rounds, outcome.converged) == (1, None)
    with pytest.raises(RecordError, match="'b' has no consensus statement"):
        replace(DEBATE, consensus=("fine", " ")).outcome()


def test_equality_is_by_content_without_timings():
    assert replace(DEBATE, timings=()) == DEBATE
    assert replace(DEBATE, malformed=0) != DEBATE
    assert replace(DEBATE, turns=DEBATE.turns[:1]).digest() != DEBATE.digest()


@pytest.mark.parametrize(
    ("base", "change", "message"),
    [
        (DEBATE, {"stop_reason": "boredom"}, f"known are {', '.join(STOP_REASONS)}"),
        (DEBATE, {"consensus": ("one",)}, "1 consensus of 2 players"),
        (DEBATE, {"openings": ()}, "0 openings of 2 players"),
        (DEBATE, {"opening_embeddings": np.eye(3)}, "3 opening_embeddings of 2 players"),
        (DEBATE, {"turns": (Turn(1, 2, "who?"),)}, "a turn is of no player"),
        (DEBATE, {"elections": (ELECTION,)}, "debate 'tax-1': it has 1 elections"),
        (MEDIATOR, {"elections": ()}, "it has 0 elections"),
        (MEDIATOR, {"consensus": ("y", "x")}, "the consensus is not the last winner"),
    ],
)
def test_parts_that_do_not_fit(base, change, message):
    with pytest.raises(RecordError, match=message):
        replace(base, **change)


def test_damage_other_kinds_and_other_versions(tmp_path):
    row = LAYOUT.to_row(DEBATE)
    for change in ({"seed": 4}, {"turns": None}, {"method": "shouting"}, {"players": ["a", 3]}):
        with pytest.raises(RecordError, match=r"dialogue 'tax-1'.*negotiate it again"):
            LAYOUT.from_row(row | change)
    with pytest.raises(RecordError, match="dialogue schema version 2; this Concordat reads 1"):
        LAYOUT.from_row(row | {"schema_version": 2})
    game, talk = tmp_path / "game.parquet", tmp_path / "talk.parquet"
    write_records(game, [play([ScriptedOracle(0), ScriptedOracle(90)])])
    write_dialogues(talk, [DEBATE])
    with pytest.raises(RecordError, match=r"game\.parquet: a Parquet file, but not of negotiation dialogues"):
        read_dialogues(game)
    with pytest.raises(RecordError, match=r"talk\.parquet: a Parquet file, but not of negotiation records"):
        read_records(talk)
    talk.write_bytes(talk.read_bytes()[:-40])
    with pytest.raises(RecordError, match=r"talk\.parquet.*delete it"):
        read_dialogues(talk)
    assert LAYOUT.version_of(talk) is None
