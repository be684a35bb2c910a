"""Debate, consultancy and mediator: who is asked what, with what in view, and what the record keeps."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence

import numpy as np
import pytest

from agents.asking import Asker, SpeakingConfig
from agents.baselines.config import ConsultancyConfig, DebateConfig, MediatorConfig
from agents.baselines.consultancy import consult
from agents.baselines.debate import debate
from agents.baselines.mediator import mediate, ranks_of
from agents.baselines.prompts import TEMPLATE_FIELDS, BaselinePrompts
from agents.baselines.sitting import Sitting
from agents.culture_agent import CultureAgent
from agents.cultures import get_culture
from agents.models.protocol import Generation, GenerationRequest, Score, ScoringRequest
from negotiation.errors import ConfigurationError, MalformedReplyError
from negotiation.opening import Openings
from negotiation.oracle import Draft, Opening, negotiation_id
from negotiation.topic import Topic

TOPIC = Topic("t", "Why {own}?")
PLAYERS = ("confucian", "latin-america")
NEUTRAL = "You mediate"


class Session:
    """Answers requests by a function, scores texts by another; keeps what was asked, in batches."""

    def __init__(
        self,
        answer: Callable[[GenerationRequest, int], str],
        score: Callable[[ScoringRequest], float] = lambda request: -float(len(request.text)),
    ) -> None:
        self.answer, self.score_of = answer, score
        self.batches: list[tuple[str, list[GenerationRequest]]] = []
        self.scored: list[tuple[str, list[ScoringRequest]]] = []

    async def generate(self, model: str, requests: Sequence[GenerationRequest]) -> list[Generation]:
        self.batches.append((model, list(requests)))
        return [Generation(self.answer(r, k), 1, 7, "stop", 0.0) for k, r in enumerate(requests)]

    async def score(self, model: str, requests: Sequence[ScoringRequest]) -> list[Score]:
        self.scored.append((model, list(requests)))
        return [Score.of((self.score_of(request),) * 2) for request in requests]

    @property
    def asked(self) -> list[str]:
        """Every user message, in order."""
        return [request.messages[-1].content for _, batch in self.batches for request in batch]


class Embedder:
    name = "lengths"

    async def embed(self, texts: Sequence[str]) -> np.ndarray:
        return np.array([[1.0, len(text)] for text in texts])


def sit(session: Session, players: Sequence[str] = PLAYERS, **speaking: object) -> Sitting:
    config = SpeakingConfig.model_validate(speaking)
    agents = [
        CultureAgent(get_culture(name), session, f"model of {name}", adapter=name, speaking=config)
        for name in players
    ]
    draft = Draft("initial", "H", "R", "D")
    sides = tuple(Opening(f"{name} opens\nso.", draft) for name in players)
    return Sitting(
        TOPIC, tuple(agents), Openings(sides, 1.5), Embedder(), 5, BaselinePrompts.load(), {"model": "m"}
    )


def neutral(sitting: Sitting, session: Session) -> Asker:
    return Asker("mediator", session, "neutral", None, sitting.agents[0].asker.speaking)


def counted(session_words: Sequence[str]) -> Callable[[GenerationRequest, int], str]:
    """Replies one after the other."""
    left = list(session_words)
    return lambda request, k: left.pop(0)


def test_a_debate_has_the_whole_dialogue_in_view_and_ends_when_the_latest_turns_agree() -> None:
    session = Session(counted(["One.", "I agree.\nTwo.", "Three.", "i AGREE\nFour.", "I agree!", "C0", "C1"]))
    record = asyncio.run(debate(sit(session), DebateConfig(rounds=9)))
    assert [(turn.round, turn.player, turn.agreed) for turn in record.turns] == [
        (1, 0, False),
        (1, 1, True),
        (2, 0, False),
        (2, 1, True),
        (3, 0, True),
    ]
    assert (record.stop_reason, record.converged, record.rounds) == ("agreement", True, 3)
    assert record.consensus == ("C0", "C1")
    assert session.asked[0] == (
        "Question: Why {own}?\nYour position: confucian opens so.\nLatin America holds:\nlatin-america opens so.\n"
        "If you now agree with what the others say, let your first line be: I agree.\n"
        "State your position in at most 100 words."
    )
    assert (
        "Confucian holds:\nconfucian opens so.\nConfucian says: One.\nYou say: I agree. Two.\n"
        "Confucian says: Three.\nIf you now agree"
    ) in session.asked[3]
    assert session.asked[-1].endswith(
        "You say: i AGREE Four.\nConfucian says: I agree!\n"
        "State in at most 100 words the consensus that follows from this dialogue."
    )
    assert session.batches[0][0] == "model of confucian"
    first = session.batches[0][1][0]
    assert first.adapter == "confucian"
    assert "Confucian" in first.messages[0].content
    assert len({request.seed for _, batch in session.batches for request in batch}) == 7


def test_a_debate_without_the_line_of_agreement_goes_to_its_limit() -> None:
    session = Session(lambda request, k: "I agree with all of it.")
    record = asyncio.run(debate(sit(session), DebateConfig(rounds=2)))
    assert len(record.turns) == 4
    assert (record.stop_reason, record.converged, record.rounds) == ("round-limit", False, 2)
    assert len(session.asked) == 6


def test_three_sides_agree_only_all_together() -> None:
    players = (*PLAYERS, "african-islamic")
    texts = ["I agree.", "I agree.", "No.", "I agree.", "I agree.", "I agree.", "A", "B", "C"]
    record = asyncio.run(debate(sit(Session(counted(texts)), players), DebateConfig(rounds=3)))
    assert [turn.agreed for turn in record.turns] == [True, True, False, True, True, True]
    assert record.rounds == 2


def test_malformed_turns_are_asked_for_again_and_counted() -> None:
    session = Session(counted(["", "One.", "word " * 200, "Two.", "C0", "C1"]))
    record = asyncio.run(debate(sit(session), DebateConfig(rounds=1)))
    assert [turn.text for turn in record.turns] == ["One.", "Two."]
    assert record.malformed == 2
    stubborn = Session(lambda request, k: "")
    with pytest.raises(
        MalformedReplyError, match="confucian on topic 't', round 1: the debate stayed malformed in 2"
    ):
        asyncio.run(debate(sit(stubborn, retries=1), DebateConfig()))


def test_a_consultancy_is_told_who_the_others_are_and_not_what_they_say() -> None:
    session = Session(lambda request, k: f"final of {request.adapter}")
    record = asyncio.run(consult(sit(session), ConsultancyConfig()))
    assert record.consensus == ("final of confucian", "final of latin-america")
    assert (record.turns, record.rounds, record.converged, record.stop_reason) == ((), None, None, "answered")
    assert len(session.asked) == 2
    other = get_culture("latin-america")
    assert f"You are to agree with the Latin America cultural region: {other.description}" in session.asked[0]
    assert "latin-america opens" not in session.asked[0]
    assert "Your position: confucian opens so.\n" in session.asked[0]


def _mediated(request: GenerationRequest, k: int) -> str:
    if request.messages[0].content.startswith(NEUTRAL):
        stage = "second" if "Proposed consensus" in request.messages[-1].content else "first"
        return f"{stage} {'abcd'[k % 3]}"
    return f"critique of {request.adapter}"


def _taste(request: ScoringRequest) -> float:
    """Confucian likes a over b over c, Latin America c over b over a."""
    order = "abc" if request.adapter == "confucian" else "cba"
    return -1.0 - order.index(request.text[-1])


def test_a_mediator_writes_the_sides_rank_and_the_vote_decides() -> None:
    session = Session(_mediated, _taste)
    sitting = sit(session)
    record = asyncio.run(mediate(sitting, neutral(sitting, session), MediatorConfig(candidates=4)))
    first, second = record.elections
    assert first.candidates == ("first a", "first b", "first c")  # the fourth said the same as the first
    assert first.scores == ((-1.0, -2.0, -3.0), (-3.0, -2.0, -1.0))
    assert first.ranks == ((0, 1, 2), (2, 1, 0))
    assert first.defeats == ((0, 1, 1), (1, 0, 1), (1, 1, 0))
    assert (first.tied, first.winner) == ((0, 1, 2), 1)
    assert first.critiques == ("critique of confucian", "critique of latin-america")
    assert second.critiques == ()
    assert record.consensus == ("second b", "second b")
    assert (record.winner, record.rounds, record.converged) == ("second b", 2, None)
    assert np.array_equal(record.consensus_embeddings[0], record.consensus_embeddings[1])

    (model, batch), (_, critic), *_, (_, again) = session.batches
    assert (model, len(batch), {request.adapter for request in batch}) == ("neutral", 4, {None})
    assert all(request.messages[0].content.startswith(NEUTRAL) for request in batch)
    assert (
        "Confucian holds:\nconfucian opens so.\nLatin America holds:\nlatin-america opens so.\n"
        in session.asked[0]
    )
    assert "Proposed consensus: first b\n" in critic[0].messages[-1].content
    revision = again[0].messages[-1].content
    assert (
        "Confucian misses: critique of confucian\nLatin America misses: critique of latin-america\n"
        in revision
    )
    # Scored as what the own agent answers, with the own position in view and no candidate in the prompt.
    model, scored = session.scored[1]
    assert model == "model of latin-america"
    assert [request.text for request in scored] == list(first.candidates)
    assert {request.adapter for request in scored} == {"latin-america"}
    assert "Your position: latin-america opens so." in scored[0].messages[-1].content
    assert "first" not in scored[0].messages[-1].content


def test_a_statement_that_both_like_better_wins_and_one_vote_may_be_all() -> None:
    session = Session(_mediated, lambda request: -1.0 if request.text.endswith("c") else -2.0)
    sitting = sit(session)
    record = asyncio.run(
        mediate(sitting, neutral(sitting, session), MediatorConfig(candidates=3, critiques=0))
    )
    (only,) = record.elections
    assert only.ranks == ((1, 1, 0), (1, 1, 0))
    assert (only.tied, only.winner) == ((2,), 2)
    assert only.critiques == ()
    assert len(session.asked) == 3


def test_a_mediator_goes_on_with_the_candidates_that_came_and_fails_without_any() -> None:
    session = Session(lambda request, k: "" if k else _mediated(request, k), _taste)
    sitting = sit(session, retries=0)
    record = asyncio.run(
        mediate(sitting, neutral(sitting, session), MediatorConfig(candidates=3, critiques=0))
    )
    assert record.elections[0].candidates == ("first a",)
    assert record.malformed == 2
    silent = Session(lambda request, k: "")
    sitting = sit(silent, retries=0)
    with pytest.raises(
        MalformedReplyError, match="mediator on topic 't', round 1: the statement stayed malformed"
    ):
        asyncio.run(mediate(sitting, neutral(sitting, silent), MediatorConfig(candidates=3)))


def test_ranks_tie_within_rounding_only() -> None:
    scores = np.array([[-1.0, -2.0, -1.0 - 1e-9], [-3.0, -2.5, -2.499]])
    assert ranks_of(scores).tolist() == [[0, 2, 0], [2, 1, 0]]


def test_lengths_are_those_of_the_agents() -> None:
    session = Session(_mediated, _taste)
    lengths = {"statement_words": 40, "position_tokens": 11, "consensus_tokens": 14}
    sitting = sit(session, **lengths)
    asyncio.run(mediate(sitting, neutral(sitting, session), MediatorConfig(candidates=1)))
    asyncio.run(debate(sit(session, **lengths), DebateConfig(rounds=1)))
    asyncio.run(consult(sit(session, **lengths), ConsultancyConfig()))
    assert all("at most 40 words" in text for text in session.asked)
    tokens = [batch[0].max_new_tokens for _, batch in session.batches]
    assert tokens == [14, 11, 11, 14, 11, 11, 14, 14, 14, 14]


def test_a_record_says_what_it_takes_to_repeat_it() -> None:
    record = asyncio.run(debate(sit(Session(lambda request, k: "Yes.")), DebateConfig(rounds=1)))
    assert record.negotiation_id == negotiation_id("t", PLAYERS, 5)
    assert (record.players, record.seed, record.embedder) == (PLAYERS, 5, "lengths")
    assert json.loads(record.config) == {"rounds": 1}
    assert record.provenance == {"model": "m", "prompts": "baselines 1"}
    assert [opening.statement for opening in record.openings] == [f"{name} opens\nso." for name in PLAYERS]
    assert record.timings[0].seconds == 1.5
    again = asyncio.run(debate(sit(Session(lambda request, k: "Yes.")), DebateConfig(rounds=1)))
    assert record == again
    outcome = record.outcome()
    assert (outcome.method, outcome.id, outcome.rounds, outcome.converged) == (
        "debate",
        record.negotiation_id,
        1,
        False,
    )


def test_seats_and_openings_must_fit() -> None:
    sitting = sit(Session(lambda request, k: "Yes."))
    with pytest.raises(ConfigurationError, match="2 agents with 1 openings"):
        Sitting(
            TOPIC,
            sitting.agents,
            Openings(sitting.openings.sides[:1], 0.0),
            Embedder(),
            5,
            sitting.prompts,
            {},
        )


def test_prompt_sets_are_checked(tmp_path) -> None:
    shipped = BaselinePrompts.load()
    assert set(TEMPLATE_FIELDS) == set(BaselinePrompts.model_fields) - {"name", "version"}
    tree = shipped.model_dump()
    path = tmp_path / "own.yaml"
    path.write_text(json.dumps(tree | {"debate": "Say {topic}."}))
    with pytest.raises(ConfigurationError, match=r"own\.yaml.*'debate' uses the fields topic and is given"):
        BaselinePrompts.load(path)
    path.write_text(json.dumps({name: value for name, value in tree.items() if name != "ballot"}))
    with pytest.raises(ConfigurationError, match="ballot"):
        BaselinePrompts.load(path)
    with pytest.raises(ConfigurationError, match="No such file"):
        BaselinePrompts.load(tmp_path / "none.yaml")
    # What is put in is never read as a template.
    assert "{culture}" in shipped.held_by("X", "{culture}")
