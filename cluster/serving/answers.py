"""Answers of models: how they are sampled, where they end, and what a policy says of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from agents.models.protocol import Generation
from agents.values import SCHWARTZ_VALUES
from cluster.serving.dialogues import Drawn
from cluster.serving.policies import Policy
from cluster.serving.schema import DrawnGuideline, PolicyAnswer, Values
from rewriter.vocabulary import ValueVector


@dataclass(frozen=True, slots=True)
class Sampling:
    """How a reply is sampled.

    Attributes:
        tokens: most new ones.
        temperature: 0 is greedy.
        top_p: nucleus.
        seed: at least 0.
        stops: texts before which the reply ends.
    """

    tokens: int
    temperature: float
    top_p: float
    seed: int
    stops: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Answer:
    """A model's answer.

    Attributes:
        text: what is said.
        reply: of the base model, for its tokens.
        finish: why it ended.
        note: how a policy came to it.
    """

    text: str
    reply: Generation
    finish: Any
    note: PolicyAnswer | None = None


def cut(reply: Generation, stops: Sequence[str]) -> tuple[str, Any]:
    """A reply's text before the first of some texts, and why it ended.

    >>> cut(Generation("One. Two.", 3, 4, "length", 0.1), ["Two"])
    ('One. ', 'stop')
    """
    places = [place for place in (reply.text.find(stop) for stop in stops) if place >= 0]
    return (reply.text[: min(places)], "stop") if places else (reply.text, reply.finish)


def named(values: ValueVector | Sequence[float]) -> Values:
    """A value vector by names."""
    return dict(zip(SCHWARTZ_VALUES, (float(value) for value in values), strict=True))


def vector(values: Values) -> ValueVector:
    """Named values as a vector."""
    return tuple(values[name] for name in SCHWARTZ_VALUES)


def note_of(
    policy: Policy,
    drawn: Drawn,
    base: str,
    before: ValueVector | None,
    target: Values,
    fault: str | None = None,
) -> PolicyAnswer:
    """How a policy came to an answer, before it was rewritten; ``fault`` if it was not."""
    return PolicyAnswer(
        policy=policy.negotiation_id,
        guideline=DrawnGuideline(
            culture=drawn.culture, id=drawn.id, content=drawn.content, weight=drawn.weight
        ),
        base=base,
        values_before=None if before is None else named(before),
        values_target=target,
        values_after=None,
        consistency=None,
        fault=fault,
    )
