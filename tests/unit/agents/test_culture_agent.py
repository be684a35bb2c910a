"""The culture agent: what it asks, in which batches, and what it does with malformed replies."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Callable, Sequence

import numpy as np
import pytest
from pydantic import ValidationError

from agents.asking import KEPT_CHARS, SpeakingConfig, reply_seed
from agents.culture_agent import CANDIDATE_KINDS, CultureAgent
from agents.cultures import get_culture
from agents.models.protocol import Generation, GenerationRequest
from negotiation.errors import CultureError, MalformedReplyError, OracleError
from negotiation.guideline import Guideline, Pool
from negotiation.oracle import CANDIDATE_KINDS as ASKED_KINDS
from negotiation.oracle import Draft, Oracle, TableView
from negotiation.topic import Topic

TOPIC = Topic("t", "Why {own}?")
PLAYERS = ("confucian", "latin-america")
GOOD = "Heading: H\nReason: R\nDescription: D"
Answer = Callable[[GenerationRequest, int], str]


class Session:
    """Answers by a function of the request and the number of the batch; keeps what was asked."""

    def __init__(self, answer: Answer, finish: Callable[[int], str] = lambda batch: "stop") -> None:
        self.answer, self.finish = answer, finish
        self.batches: list[list[GenerationRequest]] = []

    async def generate(self, model: str, requests: Sequence[GenerationRequest]) -> list[Generation]:
        assert model == "m"
        batch = len(self.batches)
        self.batches.append(list(requests))
        return [
            Generation(
                text=self.answer(request, batch),
                prompt_tokens=1,
                generated_tokens=7,
                finish=self.finish(batch),  # type: ignore[arg-type]  # a plain str
                seconds=0.0,
            )
            for request in requests
        ]


def learned(session: Session, proposing: str, **speaking: object) -> CultureAgent:
    """An agent with a learned oracle."""
    return CultureAgent(
        get_culture("confucian"),
        session,
        "m",
        adapter="confucian",
        speaking=SpeakingConfig.model_validate(speaking),
        proposer="oracle",
        proposing=proposing,  # type: ignore[arg-type]  # a plain str
    )


def agent(session: Session, **speaking: object) -> CultureAgent:
    config = SpeakingConfig.model_validate(speaking)
    return CultureAgent(get_culture("confucian"), session, "m", adapter="confucian", speaking=config)


def user(request: GenerationRequest) -> str:
    return request.messages[-1].content


def by_prompt(request: GenerationRequest, batch: int) -> str:
    return GOOD if "three lines" in user(request) else "We hold this."


def guideline(player: int, name: str) -> Guideline:
    return Guideline(f"p{player}-{name}", player, 0, "initial", name, f"reason {name}", f"description {name}")


def view(player: int = 0, players: tuple[str, ...] = PLAYERS, seed: int = 5) -> TableView:
    pools = tuple(
        Pool(i, (guideline(i, f"A{i}"), guideline(i, f"B{i}")), np.eye(2)) for i in range(len(players))
    )
    weights = tuple(np.array([0.2, 0.8]) for _ in players)
    return TableView(TOPIC, player, players, 3, pools, weights, "my opening", seed)


def test_an_agent_is_an_oracle() -> None:
    oracle: Oracle = agent(Session(by_prompt))
    assert oracle is not None
    assert CANDIDATE_KINDS == ASKED_KINDS


def test_opening_states_the_position_and_then_the_guideline_that_follows() -> None:
    session = Session(by_prompt)
    opening = asyncio.run(agent(session).open(TOPIC, 0, PLAYERS, 5))
    assert opening.statement == "We hold this."
    assert opening.guideline == Draft("initial", "H", "R", "D")
    assert opening.malformed == 0
    assert [len(batch) for batch in session.batches] == [1, 1]
    position, first = session.batches[0][0], session.batches[1][0]
    assert user(position) == "Question: Why {own}?\nState your position in at most 100 words."
    assert "Your position: We hold this." in user(first)
    assert "Confucian" in first.messages[0].content


def test_requests_carry_the_settings_the_adapter_and_their_own_seed() -> None:
    session = Session(by_prompt)
    speaking = {
        "temperature": 0.5,
        "top_p": 0.7,
        "position_tokens": 11,
        "guideline_tokens": 12,
        "weights_tokens": 13,
        "consensus_tokens": 14,
        "statement_words": 40,
    }
    seated = agent(session, **speaking)

    async def speak() -> None:
        await seated.open(TOPIC, 0, PLAYERS, 5)
        await seated.express(view())
        await seated.conclude(view())

    asyncio.run(speak())
    requests = [batch[0] for batch in session.batches]
    assert [request.max_new_tokens for request in requests] == [11, 12, 13, 14]
    assert {(r.temperature, r.top_p, r.adapter) for r in requests} == {(0.5, 0.7, "confucian")}
    assert [r.seed for r in requests] == [
        reply_seed(5, call, 0, 0) for call in ("position", "initial", "weights", "consensus")
    ]
    assert all("at most 40 words" in user(requests[k]) for k in (0, 2, 3))


def test_all_candidates_go_out_together_with_everything_in_view() -> None:
    session = Session(by_prompt)
    proposals = asyncio.run(agent(session).propose(view(), 2))
    assert [draft.kind for draft in proposals.drafts] == [kind for kind in CANDIDATE_KINDS for _ in range(2)]
    assert (proposals.malformed, proposals.missing) == (0, ())
    (batch,) = session.batches
    assert len(batch) == 6
    assert len({request.seed for request in batch}) == 6
    for request, kind in zip(batch, [kind for kind in CANDIDATE_KINDS for _ in range(2)], strict=True):
        assert user(request).startswith(
            "Question: Why {own}?\nLatin America holds:\n- 80% B1: reason B1\n- 20% A1: reason A1\n"
            f"You hold:\n- 80% B0: reason B0\n- 20% A0: reason A0\nPropose one new {kind} guideline"
        )


def test_three_players_see_both_opponents_in_player_order() -> None:
    session = Session(by_prompt)
    players = ("african-islamic", "confucian", "latin-america")
    asyncio.run(agent(session).conclude(view(1, players)))
    text = user(session.batches[0][0])
    assert text.index("African-Islamic holds:\n- 80% B0") < text.index("Latin America holds:\n- 80% B2")
    assert "You hold:\n- 80% B1" in text


def test_malformed_candidates_are_asked_for_again_together_with_new_seeds() -> None:
    bad_kinds = {0: ("adversarial", "innovative"), 1: ("innovative",)}

    def answer(request: GenerationRequest, batch: int) -> str:
        bad = any(f"new {kind} guideline" in user(request) for kind in bad_kinds.get(batch, ()))
        return "x" * 900 if bad else GOOD

    session = Session(answer)
    seated = agent(session)
    proposals = asyncio.run(seated.propose(view(), 1))
    assert [len(batch) for batch in session.batches] == [3, 2, 1]
    assert [draft.kind for draft in proposals.drafts] == list(CANDIDATE_KINDS)
    assert (proposals.malformed, proposals.missing) == (3, ())
    assert (seated.replies, seated.malformed) == (6, 3)
    assert [request.seed for request in session.batches[1]] == [
        reply_seed(5, "adversarial", 0, 1),
        reply_seed(5, "innovative", 0, 1),
    ]
    assert len({request.seed for batch in session.batches for request in batch}) == 6
    assert [(d.topic, d.round, d.call, d.attempt) for d in seated.dropped] == [
        ("t", 3, "adversarial", 0),
        ("t", 3, "innovative", 0),
        ("t", 3, "innovative", 1),
    ]
    assert seated.dropped[0].problem == "guideline has 1 line; expected three: Heading, Reason, Description"
    assert seated.dropped[0].text == "x" * KEPT_CHARS


def test_a_kind_that_stays_malformed_is_missing() -> None:
    session = Session(lambda request, batch: "no" if "new complementary" in user(request) else GOOD)
    seated = agent(session, retries=2)
    proposals = asyncio.run(seated.propose(view(), 2))
    assert [draft.kind for draft in proposals.drafts] == ["adversarial"] * 2 + ["innovative"] * 2
    assert proposals.missing == ("complementary",)
    assert proposals.malformed == 6
    assert [len(batch) for batch in session.batches] == [6, 2, 2]
    assert (seated.replies, seated.malformed) == (10, 6)


def test_a_kind_with_one_good_reply_of_two_is_not_missing() -> None:
    seed = reply_seed(5, "complementary", 1, 0)
    session = Session(lambda request, batch: GOOD if request.seed != seed else "no")
    proposals = asyncio.run(agent(session, retries=0).propose(view(), 2))
    assert (len(proposals.drafts), proposals.malformed, proposals.missing) == (5, 1, ())


def test_only_garbage_leaves_every_kind_missing() -> None:
    proposals = asyncio.run(agent(Session(lambda request, batch: "no")).propose(view(), 1))
    assert proposals.drafts == ()
    assert (proposals.missing, proposals.malformed) == (CANDIDATE_KINDS, 12)


def test_an_opening_counts_the_retries_of_both_its_parts() -> None:
    session = Session(lambda request, batch: ["", "We hold.", "no", "no", GOOD][batch])
    assert asyncio.run(agent(session).open(TOPIC, 0, PLAYERS, 5)).malformed == 3


@pytest.mark.parametrize(
    ("call", "problem"),
    [
        ("position", "reply is empty"),
        ("initial", "guideline has 1 line"),
        ("weights", "reply is empty"),
        ("consensus", "reply is empty"),
    ],
)
def test_what_is_needed_and_stays_malformed_is_an_error(call: str, problem: str) -> None:
    session = Session(lambda request, batch: "We." if call == "initial" else "")
    seated = agent(session, retries=1)
    calls = {
        "position": lambda: seated.open(TOPIC, 0, PLAYERS, 5),
        "initial": lambda: seated.open(TOPIC, 0, PLAYERS, 5),
        "weights": lambda: seated.express(view()),
        "consensus": lambda: seated.conclude(view()),
    }
    message = rf"confucian on topic 't', round \d: the {call} stayed malformed in 2 .* model 'm'; .*{problem}"
    with pytest.raises(MalformedReplyError, match=message):
        asyncio.run(calls[call]())
    assert seated.malformed == 2
    assert len(seated.dropped) == 2


def test_a_reply_cut_off_at_the_token_limit_is_malformed() -> None:
    session = Session(by_prompt, finish=lambda batch: "length" if batch == 0 else "stop")
    seated = agent(session)
    assert asyncio.run(seated.express(view())) == "We hold this."
    assert [d.problem for d in seated.dropped] == ["weights was cut off at 7 tokens"]


def test_a_statement_much_longer_than_asked_is_malformed() -> None:
    session = Session(lambda request, batch: "word " * (51 if batch == 0 else 50))
    assert len(asyncio.run(agent(session, statement_words=40).conclude(view())).split()) == 50
    assert len(session.batches) == 2


def test_the_same_view_asks_the_same_and_another_seed_does_not() -> None:
    def seeds(seed: int) -> list[int]:
        session = Session(by_prompt)
        asyncio.run(agent(session).propose(view(seed=seed), 2))
        return [request.seed for request in session.batches[0]]

    assert seeds(5) == seeds(5)
    assert not set(seeds(5)) & set(seeds(6))


def test_reply_seeds_are_pinned_and_in_range() -> None:
    assert reply_seed(1, "innovative", 0, 0) == 8760999249347780430
    assert reply_seed(np.int64(1), "innovative", 0, 0) == 8760999249347780430  # type: ignore[arg-type]  # as arrays give them
    assert all(0 <= reply_seed(seed, "position", 0, 0) < 2**63 for seed in range(200))


def test_another_culture_in_the_seat_is_refused() -> None:
    seated = agent(Session(by_prompt))
    message = "player 1 is 'latin-america', but its agent speaks for 'confucian'; give the oracles in"
    for call in (
        lambda: seated.open(TOPIC, 1, PLAYERS, 5),
        lambda: seated.propose(view(1), 1),
        lambda: seated.express(view(1)),
        lambda: seated.conclude(view(1)),
    ):
        with pytest.raises(OracleError, match=message):
            asyncio.run(call())


def test_an_unknown_opponent_is_refused() -> None:
    with pytest.raises(CultureError, match="unknown culture 'nobody'"):
        asyncio.run(agent(Session(by_prompt)).propose(view(players=("confucian", "nobody")), 1))


def test_no_candidates_cannot_be_asked_for() -> None:
    with pytest.raises(OracleError, match="per_kind is 0; ask for at least one"):
        asyncio.run(agent(Session(by_prompt)).propose(view(), 0))


def test_a_session_that_loses_replies_is_an_error() -> None:
    class Losing(Session):
        async def generate(self, model: str, requests: Sequence[GenerationRequest]) -> list[Generation]:
            return (await super().generate(model, requests))[1:]

    with pytest.raises(OracleError, match="model 'm' gave 2 replies to 3 requests"):
        asyncio.run(agent(Losing(by_prompt)).propose(view(), 1))


@pytest.mark.parametrize(
    "wrong",
    [
        {"temperature": -1.0},
        {"top_p": 0.0},
        {"statement_words": 0},
        {"retries": -1},
        {"guideline_tokens": 0},
        {"tone": 1},
    ],
)
def test_wrong_speaking_settings_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValidationError, match=next(iter(wrong))):
        SpeakingConfig.model_validate(wrong)


def test_a_learned_oracle_that_replaces_writes_the_candidates_and_nothing_else() -> None:
    session, plain = Session(by_prompt), Session(by_prompt)
    seated = learned(session, "replace")

    async def speak() -> None:
        await seated.open(TOPIC, 0, PLAYERS, 5)
        await seated.express(view())
        await seated.propose(view(), 2)
        await seated.conclude(view())

    asyncio.run(speak())
    adapters = [{request.adapter for request in batch} for batch in session.batches]
    assert adapters == [{"confucian"}, {"confucian"}, {"confucian"}, {"oracle"}, {"confucian"}]
    # It is asked what the agent would be, under the same seeds.
    asyncio.run(agent(plain).propose(view(), 2))
    asked, before = (
        [(r.messages, r.seed, r.max_new_tokens, r.temperature) for r in batch]
        for batch in (session.batches[3], plain.batches[0])
    )
    assert asked == before
    assert seated.replies == 10


@pytest.mark.parametrize(
    ("per_kind", "number", "shares"),
    [
        (1, 1, [True, False, True]),
        (1, 2, [False, True, False]),
        (2, 1, [True, False, False, True, True, False]),
        (2, 2, [False, True, True, False, False, True]),
    ],
)
def test_oracles_that_join_share_each_kind(per_kind: int, number: int, shares: list[bool]) -> None:
    session = Session(by_prompt)
    seen = dataclasses.replace(view(), round=number)
    proposals = asyncio.run(learned(session, "join").propose(seen, per_kind))
    kinds = [kind for kind in CANDIDATE_KINDS for _ in range(per_kind)]
    assert [draft.kind for draft in proposals.drafts] == kinds
    by_seed = {request.seed: request.adapter for batch in session.batches for request in batch}
    asked = [by_seed[reply_seed(5, kind, k % per_kind, 0)] == "oracle" for k, kind in enumerate(kinds)]
    assert asked == shares
    assert sum(map(len, session.batches)) == 3 * per_kind


def test_oracles_that_join_count_what_both_dropped() -> None:
    session = Session(lambda request, batch: "no" if request.adapter == "oracle" else GOOD)
    seated = learned(session, "join", retries=1)
    proposals = asyncio.run(
        seated.propose(view(), 1)
    )  # round 3: the first and the last kind are the learned oracle's
    assert [draft.kind for draft in proposals.drafts] == ["complementary"]
    assert proposals.missing == ("adversarial", "innovative")
    assert (proposals.malformed, seated.malformed, seated.replies) == (4, 4, 5)
    assert [reply.call for reply in seated.dropped] == ["adversarial", "innovative"] * 2
