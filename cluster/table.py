"""One negotiation of a run at its table: seats for agents, first statements, and each method from there."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from agents.asking import Asker
from agents.baselines.config import ConsultancyConfig
from agents.baselines.consultancy import consult
from agents.baselines.debate import debate
from agents.baselines.mediator import mediate
from agents.baselines.prompts import BaselinePrompts
from agents.baselines.sitting import Sitting
from agents.batching import Session
from agents.culture_agent import CultureAgent
from agents.cultures import Culture, get_culture
from agents.grounding import Grounding
from agents.prompts import PromptSet
from cluster.backends import SessionEmbedder
from cluster.config import RunConfig
from cluster.plan import PlannedNegotiation
from cluster.runfolder import RunFolder
from cluster.speakers import proposer_name
from negotiation.dialogue import DialogueRecord
from negotiation.opening import Openings, open_table
from negotiation.oracle import NegotiationEvent
from negotiation.outcome import Method
from negotiation.psro import negotiate
from negotiation.record import NegotiationRecord

MEDIATOR = "mediator"


@dataclass(frozen=True, slots=True)
class Setting:
    """What all tables of a run share.

    Attributes:
        config: of the run.
        prompts: of agents.
        baseline_prompts: of the other methods.
        embedder: name of the embedder, for records.
        provenance: model names and versions, for records.
        grounding: whose survey answers agents are shown; None for nobody's.
    """

    config: RunConfig
    prompts: PromptSet
    baseline_prompts: BaselinePrompts
    embedder: str
    provenance: Mapping[str, str]
    grounding: Grounding | None

    @classmethod
    def of(
        cls, config: RunConfig, embedder: str, provenance: Mapping[str, str], grounding: Grounding | None
    ) -> Setting:
        """Read the prompts that a run's configuration names; ``ConfigurationError`` if one cannot be used."""
        prompts, others = (
            None if name is None else Path(name) for name in (config.prompts, config.baselines.prompts)
        )
        return cls(
            config, PromptSet.load(prompts), BaselinePrompts.load(others), embedder, provenance, grounding
        )


@dataclass(frozen=True, slots=True)
class Seats:
    """Who is asked at a table, by one method; nobody keeps a state, but replies are counted.

    Attributes:
        agents: (N,) in player order.
        mediator: asks the neutral model: the agents' base without an adapter.
    """

    agents: tuple[CultureAgent, ...]
    mediator: Asker

    @property
    def replies(self) -> int:
        """Of models so far."""
        return self.mediator.replies + sum(agent.replies for agent in self.agents)

    @property
    def malformed(self) -> int:
        """How many of these were thrown away."""
        return self.mediator.malformed + sum(agent.malformed for agent in self.agents)


@dataclass(frozen=True, slots=True)
class Table:
    """Where one negotiation is held.

    Attributes:
        planned: which.
        setting: of the run.
        session: where model calls go.
        cultures: (N,) with the survey answers that their agents are shown.
        provenance: for records.
    """

    planned: PlannedNegotiation
    setting: Setting
    session: Session
    cultures: tuple[Culture, ...]
    provenance: Mapping[str, str]

    @classmethod
    async def lay(cls, planned: PlannedNegotiation, setting: Setting, session: Session) -> Table:
        """Find out what the cultures' agents are shown."""
        cultures = [get_culture(player) for player in planned.players]
        provenance = dict(setting.provenance)
        if setting.grounding is not None:
            voice = SessionEmbedder(session, setting.embedder)
            cultures = await setting.grounding.ground(cultures, planned.topic.text, voice)
            provenance |= setting.grounding.provenance(cultures)
        return cls(planned, setting, session, tuple(cultures), provenance)

    def seats(self) -> Seats:
        """Fresh seats; what their agents say depends on seeds, models and prompts alone."""
        config, adapted = self.setting.config, self.setting.provenance
        agents = tuple(
            CultureAgent(
                culture,
                self.session,
                culture.id,
                adapter=culture.id if f"adapter:{culture.id}" in adapted else None,
                prompts=self.setting.prompts,
                speaking=config.speaking,
                proposer=proposer_name(culture.id) if f"proposer:{culture.id}" in adapted else None,
                proposing=config.proposing,
            )
            for culture in self.cultures
        )
        # Every culture's model is the run's model, and gives its bare base where no adapter is asked for.
        return Seats(agents, Asker(MEDIATOR, self.session, self.planned.players[0], None, config.speaking))

    async def open(self, seats: Seats) -> Openings:
        """First statements and guidelines, for all methods."""
        return await open_table(self.planned.topic, self.planned.players, seats.agents, self.planned.seed)

    async def negotiate(
        self,
        method: Method,
        seats: Seats,
        openings: Openings,
        listener: Callable[[NegotiationEvent], None] | None = None,
    ) -> NegotiationRecord | DialogueRecord:
        """Negotiate by one method; ``listener`` follows the game."""
        config = self.setting.config
        embedder = SessionEmbedder(self.session, self.setting.embedder)
        if method == "psro":
            return await negotiate(
                self.planned.topic,
                self.planned.players,
                seats.agents,
                embedder,
                config.game,
                seed=self.planned.seed,
                provenance=self.provenance,
                listener=listener,
                openings=openings,
            )
        sitting = Sitting(
            self.planned.topic,
            seats.agents,
            openings,
            embedder,
            self.planned.seed,
            self.setting.baseline_prompts,
            self.provenance,
        )
        if method == "debate":
            return await debate(sitting, config.baselines.debate)
        if method == "consultancy":
            return await consult(sitting, ConsultancyConfig())
        return await mediate(sitting, seats.mediator, config.baselines.mediator)


def kept_openings(folder: RunFolder, negotiation_id: str, finished: Sequence[Method]) -> Openings | None:
    """The openings of a negotiation that these methods have finished; None if there are none of them.

    Raises:
        RecordError: if that record is damaged or of another version.
    """
    if not finished:
        return None
    method = finished[0]
    record = (
        folder.read_record(negotiation_id)
        if method == "psro"
        else folder.read_dialogue(negotiation_id, method)
    )
    seconds = sum(timing.seconds for timing in record.timings if timing.phase == "open")
    return Openings(record.openings, seconds)
