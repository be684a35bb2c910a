"""What the base model is shown for a policy, a culture, or itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import yaml

from agents.cultures import Culture, Portrait, get_culture
from agents.models.protocol import Message
from agents.prompts import PromptSet, WeightedGuideline
from agents.templates import check_template, fill_template, one_line
from cluster.serving.policies import Policy
from negotiation.errors import CultureError

PROMPTS = Path(__file__).parent / "prompts.yaml"


@dataclass(frozen=True, slots=True)
class Drawn:
    """A guideline drawn from a policy's equilibrium.

    Attributes:
        culture: id of the side that holds it.
        id: of the guideline.
        weight: in that side's strategy.
        content: heading.
        reason: why.
        description: what it asks for.
    """

    culture: str
    id: str
    weight: float
    content: str
    reason: str
    description: str


def draw(policy: Policy, seed: int) -> Drawn:
    """A side, each as likely, and one of its guidelines, as likely as its weight.

    Args:
        policy: whose.
        seed: at least 0; same seed, same guideline.
    """
    rng = np.random.default_rng(seed)
    side = policy.players[int(rng.integers(len(policy.players)))]
    weights = np.array([entry.weight for entry in side.pool])
    total = weights.sum()
    shares = weights / total if total > 0 else np.full(len(weights), 1 / len(weights))
    entry = side.pool[int(rng.choice(len(shares), p=shares))]
    return Drawn(side.culture, entry.id, entry.weight, entry.content, entry.reason, entry.description)


@dataclass(frozen=True, slots=True)
class Dialogues:
    """Renders dialogues.

    Attributes:
        prompts: of agents.
        asks_questions: whether the last user message is put in the form that agents are asked in.
        words: that are asked for then.
        portraits: what is shown of a culture's people, by its id.
    """

    prompts: PromptSet
    asks_questions: bool
    words: int
    portraits: Mapping[str, Portrait] = field(default_factory=dict)

    def policy(self, policy: Policy, drawn: Drawn, messages: Sequence[Message]) -> tuple[Message, ...]:
        """With a guideline in view."""
        if self.asks_questions:
            held = [WeightedGuideline(1.0, drawn.content, drawn.reason, drawn.description)]
            return self._consensus(policy, drawn.culture, held, question(messages))
        said = " ".join(part.strip() for part in (drawn.reason, drawn.description) if part.strip())
        fields = {
            "cultures": " and ".join(_culture(name).name for name in policy.cultures),
            "topic": policy.topic.text,
            "content": drawn.content,
            "reason": said,
        }
        system = fill_template(_template(), {name: one_line(text) for name, text in fields.items()})
        return _under(system, messages)

    def _consensus(
        self, policy: Policy, culture: str, held: Sequence[WeightedGuideline], asked: str
    ) -> tuple[Message, ...]:
        """The form in which sides state a consensus: it answers the question, where that of their weights speaks of these."""
        speaker = self._shown(_culture(culture))
        side = next(side for side in policy.players if side.culture == culture)
        others = [
            (
                _culture(other.culture).name,
                [
                    WeightedGuideline(one.weight, one.content, one.reason, one.description)
                    for one in other.pool
                ],
            )
            for other in policy.players
            if other is not side
        ]
        if not others:
            return self.prompts.weights(speaker, asked, held, self.words)
        return self.prompts.consensus(speaker, asked, side.opening, others, held, self.words)

    def culture(self, culture: Culture, messages: Sequence[Message]) -> tuple[Message, ...]:
        """As one side alone."""
        culture = self._shown(culture)
        if self.asks_questions:
            return self.prompts.position(culture, question(messages), self.words)
        return _under(self.prompts.speaker(culture).content, messages)

    def _shown(self, culture: Culture) -> Culture:
        return replace(culture, portrait=self.portraits.get(culture.id))


def question(messages: Sequence[Message]) -> str:
    """The last thing that a user said."""
    return next(m.content for m in reversed(messages) if m.role == "user" and m.content.strip())


def _under(system: str, messages: Sequence[Message]) -> tuple[Message, ...]:
    """Messages under a system message, into which those of the client are taken up: many models take only one."""
    own = [message.content for message in messages if message.role == "system" and message.content.strip()]
    rest = tuple(message for message in messages if message.role != "system")
    return (Message("system", "\n\n".join([system, *own])), *rest)


def _culture(name: str) -> Culture:
    try:
        return get_culture(name)
    except CultureError:  # of a run with cultures of its own
        return Culture(id=name, name=name, description="")


@lru_cache(maxsize=1)
def _template() -> str:
    template = str(yaml.safe_load(PROMPTS.read_text(encoding="utf-8"))["policy"])
    check_template("policy", template, frozenset({"cultures", "topic", "content", "reason"}))
    return template
