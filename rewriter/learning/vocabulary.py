"""What passes between those who write completions, those who judge them and the one who learns.

A request is whatever a set of prompts turns into a dialogue (``Prompts``); a rewriting, where nothing else is said. Every value
here is frozen and pickles, so that each part can live in a process of its own; importing this loads neither torch nor
transformers.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol

import numpy as np
from numpy.typing import NDArray
from typing_extensions import TypeVar

from agents.models.protocol import Finish, Message
from rewriter.vocabulary import RewriteRequest, check_text

Weights = Mapping[str, NDArray[np.floating[Any]]]
"""The tensors of an adapter by parameter name."""

R = TypeVar("R", default=RewriteRequest)
"""What is asked; it pickles."""

R_contra = TypeVar("R_contra", contravariant=True, default=RewriteRequest)


class Prompts(Protocol[R_contra]):
    """Turns requests into dialogues; it pickles."""

    def messages(self, request: R_contra) -> tuple[Message, ...]:
        """The dialogue up to where the answer begins."""
        ...

    def too_long(self, request: R_contra, tokens: int, room: int, window: int) -> str:
        """What to say of a dialogue of so many tokens that leaves no ``room`` for an answer in the model's window."""
        ...


@dataclass(frozen=True, slots=True)
class Completion(Generic[R]):
    """One reply that was sampled for a request.

    Attributes:
        request: what was asked.
        group: number of the prompt in its step; completions of one group compete.
        prompt: token ids of the rendered dialogue.
        tokens: (T,) token ids that were sampled, the end-of-turn token included if it came.
        logprobs: (T,) nats, log-probability of each under the policy that sampled it, at temperature 1 and without nucleus.
        text: the reply, stripped.
        finish: ``"stop"`` if the model ended its turn, ``"length"`` if it was cut.
        version: of the weights that sampled it.
    """

    request: R
    group: int
    prompt: tuple[int, ...]
    tokens: tuple[int, ...]
    logprobs: tuple[float, ...]
    text: str
    finish: Finish
    version: int

    def __post_init__(self) -> None:
        if not self.tokens or len(self.tokens) != len(self.logprobs):
            raise ValueError(
                f"{len(self.tokens)} tokens with {len(self.logprobs)} log-probabilities; give one each, at least one"
            )


@dataclass(frozen=True, slots=True)
class Reward:
    """What a completion earned.

    Attributes:
        parts: name to reward before weighting; the same names for all completions of a step. Higher is better. Not finite
            if it could not be computed: the step is then skipped.
        copied: the reply repeats its source, or whatever else the judge takes for a copy.
        collapsed: the reply is no usable answer: blank, degenerate or, of a rewriting, far from its source's length.
    """

    parts: Mapping[str, float] = field(default_factory=dict)
    copied: bool = False
    collapsed: bool = False

    @property
    def finite(self) -> bool:
        """Whether every part is a number."""
        return all(math.isfinite(part) for part in self.parts.values())


@dataclass(frozen=True, slots=True)
class StepFigures:
    """What a step of GRPO did, over all workers.

    Attributes:
        step: steps done, this one included; the skipped count too.
        skipped: a reward was not finite, or the loss was not; nothing was learned.
        loss: of the step's updates, mean; None if skipped, as the other figures of the loss.
        kl: nats a token to the reference; None too if beta is 0.
        entropy: nats a token of the policy.
        ratio: mean ratio of probabilities, policy over proximal policy.
        clipped: share of tokens whose ratio was clipped.
        importance: mean truncated weight of tokens, proximal over sampling policy.
        gradient_norm: before clipping, mean over updates.
        learning_rate: of the step.
        tokens: trained in this step: completion tokens that went through a backward pass.
        trained: the same since the beginning.
        rewards: mean by part, before weighting, of what is finite.
        length: mean tokens of a completion.
        finished: share of completions that ended their turn.
        copied: share of completions that repeat their source.
        collapsed: share of completions that are blank, degenerate or far from their source's length.
        idle: share of groups in which all completions have the same advantage, so that nothing is learned.
        skips: steps skipped since the beginning.
    """

    step: int
    skipped: bool
    loss: float | None
    kl: float | None
    entropy: float | None
    ratio: float | None
    clipped: float | None
    importance: float | None
    gradient_norm: float | None
    learning_rate: float
    tokens: int
    trained: int
    rewards: Mapping[str, float]
    length: float
    finished: float
    copied: float
    collapsed: float
    idle: float
    skips: int


@dataclass(frozen=True, slots=True)
class PairFigures:
    """What a step of SFT, DPO or SimPO did, over all workers.

    Attributes:
        step: steps done, this one included.
        loss: nats a token for SFT, nats a pair else; None if it was not finite: the step was skipped.
        margin: mean scaled difference of chosen and rejected, the argument of the sigmoid; None for SFT.
        accuracy: share of pairs with a margin above 0; None for SFT.
        gradient_norm: before clipping; None if skipped.
        learning_rate: of the step.
        tokens: trained in this step: answer tokens that went through a backward pass.
        trained: the same since the beginning.
        skips: steps skipped since the beginning.
    """

    step: int
    loss: float | None
    margin: float | None
    accuracy: float | None
    gradient_norm: float | None
    learning_rate: float
    tokens: int
    trained: int
    skips: int

    @property
    def skipped(self) -> bool:
        """Whether nothing was learned."""
        return self.loss is None


@dataclass(frozen=True, slots=True)
class SupervisedRow:
    """A rewriting to be learned."""

    request: RewriteRequest
    answer: str

    def __post_init__(self) -> None:
        check_text(self.answer, "the answer")


@dataclass(frozen=True, slots=True)
class PreferenceRow:
    """Two rewritings for one request, of which one is better."""

    request: RewriteRequest
    chosen: str
    rejected: str

    def __post_init__(self) -> None:
        check_text(self.chosen, "the chosen rewriting")
        check_text(self.rejected, "the rejected rewriting")


class RolloutWriter(Protocol[R]):
    """Samples completions with the weights it was given last."""

    def load(self, version: int, weights: Weights) -> None:
        """Take new weights of the adapter."""
        ...

    def write(self, requests: Sequence[tuple[int, R]], size: int, seed: int) -> list[Completion[R]]:
        """``size`` completions for each (group, request), all of a group together; a function of weights and seed."""
        ...


class Judge(Protocol[R]):
    """Rewards completions."""

    def judge(self, completions: Sequence[Completion[R]]) -> list[Reward]:
        """One reward a completion, in order."""
        ...
