"""What a run has to do: one negotiation a topic, between all its cultures, by each of its methods."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from agents.baselines.config import BaselinesConfig
from negotiation.config import GameConfig
from negotiation.errors import TopicError
from negotiation.oracle import CANDIDATE_KINDS, negotiation_id
from negotiation.outcome import Method
from negotiation.topic import Topic


@dataclass(frozen=True, slots=True)
class PlannedNegotiation:
    """One negotiation to be done.

    Attributes:
        id: also the name of its files.
        topic: the question.
        players: (N,) culture ids, in player order.
    """

    id: str
    topic: Topic
    players: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Estimate:
    """How many model calls a plan takes, retries of malformed replies not counted.

    Attributes:
        least: if every negotiation ends after its first round.
        most: if every negotiation goes to the round limit.
    """

    least: int
    most: int


def make_plan(players: Sequence[str], topics: Sequence[Topic], seed: int) -> tuple[PlannedNegotiation, ...]:
    """The negotiations of a run, in the order of the topics.

    Raises:
        TopicError: if there are no topics, or two have the same id (also if only case tells them apart).

    >>> make_plan(["confucian", "latin-america"], [Topic("tax", "Should inheritance be taxed?")], 0)[0].id
    'tax-3c31844fed'
    """
    if not topics:
        raise TopicError("no topics; give --topic TEXT, --topics FILE, or --topics examples")
    seen: dict[str, Topic] = {}
    for topic in topics:
        twin = seen.setdefault(topic.id.casefold(), topic)
        if twin is not topic:
            raise TopicError(
                f"topic id {topic.id!r} is given twice ({twin.text[:40]!r}, {topic.text[:40]!r});"
                " ids must be unique"
            )
    return tuple(
        PlannedNegotiation(negotiation_id(topic.id, players, seed), topic, tuple(players)) for topic in topics
    )


def estimate_calls(
    n_negotiations: int,
    n_players: int,
    game: GameConfig,
    methods: Sequence[Method] = ("psro",),
    baselines: BaselinesConfig | None = None,
) -> Estimate:
    """Model calls of a plan.

    For each player a position and a first guideline, once for all methods. The game: each player's weights in words and
    its candidates in each round, and its consensus. A debate: a turn of each player in each round, and its consensus. A
    consultancy: one answer of each. A mediator: its candidates, each scored by every player, and the critiques.

    >>> estimate_calls(1, 2, GameConfig(rounds=8))
    Estimate(least=14, most=70)
    >>> estimate_calls(1, 2, GameConfig(), ["debate"]), estimate_calls(1, 2, GameConfig(), ["mediator"])
    (Estimate(least=8, most=14), Estimate(least=54, most=54))
    """
    baselines = baselines or BaselinesConfig()
    in_round = 1 + len(CANDIDATE_KINDS) * game.candidates_per_kind
    votes, statements = baselines.mediator.critiques + 1, baselines.mediator.candidates
    mediated = votes * statements * (1 + n_players) + baselines.mediator.critiques * n_players
    bounds = {
        "psro": (n_players * (in_round + 1), n_players * (game.rounds * in_round + 1)),
        "debate": (n_players * 2, n_players * (baselines.debate.rounds + 1)),
        "consultancy": (n_players, n_players),
        "mediator": (mediated, mediated),
    }
    opening = 2 * n_players
    least, most = (n_negotiations * (opening + sum(bounds[m][k] for m in methods)) for k in (0, 1))
    return Estimate(least, most)
