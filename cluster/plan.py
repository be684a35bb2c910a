"""What a run has to do: for each seed and topic one negotiation a table of cultures, by each of its methods."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, overload

from agents.baselines.config import BaselinesConfig
from negotiation.config import GameConfig
from negotiation.errors import TopicError
from negotiation.oracle import CANDIDATE_KINDS, negotiation_id
from negotiation.outcome import Method
from negotiation.topic import Topic

if TYPE_CHECKING:
    from cluster.config import RunConfig


@dataclass(frozen=True, slots=True)
class PlannedNegotiation:
    """One negotiation to be done.

    Attributes:
        id: also the name of its files.
        topic: the question.
        players: (N,) culture ids, in player order.
        seed: of its calls.
    """

    id: str
    topic: Topic
    players: tuple[str, ...]
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Estimate:
    """How many model calls a plan takes, retries of malformed replies not counted.

    Attributes:
        least: if every negotiation ends after its first round.
        most: if every negotiation goes to the round limit.
    """

    least: int
    most: int


@dataclass(frozen=True, slots=True)
class Plan(Sequence[PlannedNegotiation]):
    """The negotiations of a run, made as they are asked for: a plan of any length takes the same memory.

    Seeds go round slowest and tables fastest, so that neighbours in the plan keep different cultures busy, and what is
    planned for the first seed is done first.

    Attributes:
        tables: (T,) who sits at each, in player order.
        topics: (Q,) the questions.
        seeds: (S,) different ones.
    """

    tables: tuple[tuple[str, ...], ...]
    topics: tuple[Topic, ...]
    seeds: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.tables) * len(self.topics) * len(self.seeds)

    @overload
    def __getitem__(self, place: int) -> PlannedNegotiation: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[PlannedNegotiation]: ...
    def __getitem__(self, place: int | slice) -> PlannedNegotiation | Sequence[PlannedNegotiation]:
        if isinstance(place, slice):
            return [self[k] for k in range(*place.indices(len(self)))]
        if not -len(self) <= place < len(self):
            raise IndexError(f"place {place} of a plan of {len(self)}")
        rest, table = divmod(place % len(self), len(self.tables))
        seed, topic = divmod(rest, len(self.topics))
        return planned(self.topics[topic], self.tables[table], self.seeds[seed])

    def __iter__(self) -> Iterator[PlannedNegotiation]:
        for seed in self.seeds:
            for topic in self.topics:
                for players in self.tables:
                    yield planned(topic, players, seed)


def planned(topic: Topic, players: Sequence[str], seed: int) -> PlannedNegotiation:
    """One negotiation under its id."""
    return PlannedNegotiation(negotiation_id(topic.id, players, seed), topic, tuple(players), seed)


def make_plan(players: Sequence[str], topics: Sequence[Topic], seed: int) -> Plan:
    """The negotiations of one table under one seed, in the order of the topics.

    Raises:
        TopicError: if there are no topics, or two have the same id (also if only case tells them apart).

    >>> make_plan(["confucian", "latin-america"], [Topic("tax", "Should inheritance be taxed?")], 0)[0].id
    'tax-3c31844fed'
    """
    return _checked(Plan((tuple(players),), tuple(topics), (seed,)))


def plan_of(config: RunConfig) -> Plan:
    """The negotiations of a run: every table, topic and seed of its configuration.

    Raises:
        TopicError: as in ``make_plan``.
    """
    return _checked(Plan(config.plan_tables(), config.plan_topics(), config.plan_seeds()))


def _checked(plan: Plan) -> Plan:
    if not plan.topics:
        raise TopicError("no topics; give --topic TEXT, --topics FILE, or --topics examples")
    seen: dict[str, Topic] = {}
    for topic in plan.topics:
        twin = seen.setdefault(topic.id.casefold(), topic)
        if twin is not topic:
            raise TopicError(
                f"topic id {topic.id!r} is given twice ({twin.text[:40]!r}, {topic.text[:40]!r});"
                " ids must be unique"
            )
    return plan


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
