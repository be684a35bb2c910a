"""One method at one table: who sits there, how it is asked, and what the record keeps."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import perf_counter

from pydantic import BaseModel

from agents.asking import Ask, statement_of
from agents.baselines.prompts import BaselinePrompts
from agents.culture_agent import CultureAgent
from agents.models.protocol import Message
from negotiation.dialogue import DialogueMethod, DialogueRecord, Election, Turn
from negotiation.errors import ConfigurationError
from negotiation.opening import Openings, embed_texts, together
from negotiation.oracle import Embedder, call_seed, negotiation_id
from negotiation.record import Timing
from negotiation.topic import Topic


@dataclass(slots=True)
class Sitting:
    """A table at which one method is under way.

    Attributes:
        topic: the question.
        agents: (N,) one a player, in player order, N >= 2.
        openings: their first statements.
        embedder: for the record's vectors.
        seed: of the run; each call gets its own, derived by ``negotiation.oracle.call_seed``.
        prompts: the baselines' own.
        provenance: kept in the record, with the name of the prompts.
        malformed: replies thrown away so far.
        timings: of what was done so far.

    Raises:
        ConfigurationError: if there are fewer than two agents, or another number of openings.
    """

    topic: Topic
    agents: tuple[CultureAgent, ...]
    openings: Openings
    embedder: Embedder
    seed: int
    prompts: BaselinePrompts
    provenance: Mapping[str, str]
    malformed: int = 0
    timings: list[Timing] = field(default_factory=list)

    def __post_init__(self) -> None:
        if len(self.agents) < 2 or len(self.agents) != len(self.openings.sides):
            raise ConfigurationError(
                f"topic {self.topic.id!r}: {len(self.agents)} agents with {len(self.openings.sides)} openings;"
                " give two or more agents and one opening for each"
            )
        self.timings.append(Timing(0, "open", self.openings.seconds))

    @property
    def players(self) -> tuple[str, ...]:
        """(N,) culture ids, in player order."""
        return tuple(agent.culture.id for agent in self.agents)

    @property
    def positions(self) -> tuple[str, ...]:
        """(N,) the opening statements."""
        return self.openings.statements

    @property
    def words(self) -> int:
        """Most words asked for in any statement."""
        return self.agents[0].asker.speaking.statement_words

    def held(self, but: int | None = None) -> list[str]:
        """Everybody's opening statement as others see it, in player order, without one player's."""
        return [
            self.prompts.held_by(agent.culture.name, position)
            for i, (agent, position) in enumerate(zip(self.agents, self.positions, strict=True))
            if i != but
        ]

    def seed_of(self, player: int | None, round_number: int, call: str) -> int:
        """The seed of one call to a player, or to nobody's model."""
        name = "" if player is None else self.players[player]
        return call_seed(self.seed, self.topic.id, self.players, name, round_number, call)

    async def say(self, player: int, round_number: int, call: str, asked: Message, tokens: int) -> str:
        """One side's statement.

        Raises:
            MalformedReplyError: if the reply stays malformed through all retries.
        """
        agent = self.agents[player]
        messages = (agent.prompts.speaker(agent.culture), asked)
        ask = Ask(call, 0, messages, tokens, statement_of(self.words))
        seed = self.seed_of(player, round_number, call)
        text, dropped = await agent.asker.one(self.topic.id, round_number, seed, ask)
        self.malformed += dropped
        return text

    async def all_say(
        self, round_number: int, call: str, asked: Sequence[Message], tokens: int
    ) -> tuple[str, ...]:
        """Every side's statement, asked for at once; otherwise as ``say``."""
        return await together(
            self.say(i, round_number, call, message, tokens) for i, message in enumerate(asked)
        )

    @contextmanager
    def clock(self, round_number: int, phase: str) -> Iterator[None]:
        """Time what is done inside."""
        began = perf_counter()
        yield
        self.timings.append(Timing(round_number, phase, perf_counter() - began))

    async def record(
        self,
        method: DialogueMethod,
        config: BaseModel,
        consensus: tuple[str, ...],
        stop_reason: str,
        *,
        turns: Sequence[Turn] = (),
        elections: Sequence[Election] = (),
    ) -> DialogueRecord:
        """The record of what has happened, with its statements' vectors."""
        last = max([1, *(turn.round for turn in turns), *(election.round for election in elections)])
        with self.clock(last, "embed"):
            vectors = await embed_texts(self.embedder, [*self.positions, *consensus], self.topic)
        n = len(self.agents)
        return DialogueRecord(
            negotiation_id=negotiation_id(self.topic.id, self.players, self.seed),
            method=method,
            topic=self.topic,
            players=self.players,
            seed=int(self.seed),
            config=config.model_dump_json(),
            embedder=self.embedder.name,
            provenance={**self.provenance, "prompts": f"{self.prompts.name} {self.prompts.version}"},
            openings=self.openings.sides,
            turns=tuple(turns),
            elections=tuple(elections),
            consensus=consensus,
            opening_embeddings=vectors[:n],
            consensus_embeddings=vectors[n:],
            stop_reason=stop_reason,
            malformed=self.malformed,
            timings=tuple(self.timings),
        )
