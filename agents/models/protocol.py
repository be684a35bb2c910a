"""What a language model is to the rest of Concordat: requests in, results out, in the order of the requests.

Everything here is a frozen value that pickles, and importing it loads neither torch nor transformers.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, get_args

from negotiation.errors import ModelError

Role = Literal["system", "user", "assistant"]
Finish = Literal["stop", "length"]


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a dialogue."""

    role: Role
    content: str

    def __post_init__(self) -> None:
        if self.role not in get_args(Role):
            raise ModelError(f"message role is {self.role!r}; it must be one of {', '.join(get_args(Role))}")


@dataclass(frozen=True, slots=True)
class GenerationRequest:
    """One reply asked of a model.

    Attributes:
        messages: the dialogue so far, at least one turn; the model writes the next assistant turn.
        max_new_tokens: bound on the reply, at least 1. A reply is also cut at the model's context window.
        temperature: 0 is greedy decoding; else logits are divided by it.
        top_p: in (0, 1]; sample among the most probable tokens that together reach it. 1 switches it off.
        seed: at least 0; the reply is a function of the model, the request and this seed.
        adapter: name of a loaded adapter, or None for the base model.
    """

    messages: tuple[Message, ...]
    max_new_tokens: int
    temperature: float
    top_p: float
    seed: int
    adapter: str | None = None

    def __post_init__(self) -> None:
        _check_dialogue(self.messages)
        if self.max_new_tokens < 1:
            raise ModelError(f"max_new_tokens is {self.max_new_tokens}; it must be at least 1")
        if not (math.isfinite(self.temperature) and self.temperature >= 0):
            raise ModelError(f"temperature is {self.temperature}; it must be 0 (greedy) or a positive number")
        if not 0 < self.top_p <= 1:
            raise ModelError(f"top_p is {self.top_p}; it must be above 0 and at most 1")
        if self.seed < 0:
            raise ModelError(f"seed is {self.seed}; it must be at least 0")


@dataclass(frozen=True, slots=True)
class Generation:
    """One reply.

    Attributes:
        text: the reply without special tokens, as written (not stripped).
        prompt_tokens: length of the rendered dialogue.
        generated_tokens: tokens sampled, the end-of-turn token included.
        finish: ``"stop"`` if the model ended its turn, ``"length"`` if it was cut.
        seconds: this reply's share of the time its batch took; over a call of a local model they sum to the time
            it was busy.
    """

    text: str
    prompt_tokens: int
    generated_tokens: int
    finish: Finish
    seconds: float


@dataclass(frozen=True, slots=True)
class ScoringRequest:
    """A text whose probability as the next assistant turn is asked (teacher-forced).

    Attributes:
        messages: the dialogue that the text answers. It must not hold the text: the probability of a copy is no
            news.
        text: what is scored, not empty.
        adapter: name of a loaded adapter, or None for the base model.
    """

    messages: tuple[Message, ...]
    text: str
    adapter: str | None = None

    def __post_init__(self) -> None:
        _check_dialogue(self.messages)
        if not self.text:
            raise ModelError("the text to score is empty; score at least one token")


@dataclass(frozen=True, slots=True)
class Score:
    """Log-probability of a text given a dialogue.

    The end-of-turn token is *not* counted: perplexity here is of the words, so that a statement which was cut at
    a word limit is not judged by where it was cut.

    Attributes:
        logprob: nats, the sum over the text's tokens; at most 0, higher is more probable.
        tokens: number of the text's tokens.
        token_logprobs: (tokens,) nats of each.

    >>> round(Score.of((-1.0, -3.0)).perplexity, 3)
    7.389
    """

    logprob: float
    tokens: int
    token_logprobs: tuple[float, ...]

    @classmethod
    def of(cls, token_logprobs: Sequence[float]) -> Score:
        """The score of a text from its tokens' log-probabilities."""
        return cls(math.fsum(token_logprobs), len(token_logprobs), tuple(token_logprobs))

    @property
    def nats_per_token(self) -> float:
        """Mean negative log-probability, nats a token; at least 0, lower is more probable."""
        return -self.logprob / self.tokens

    @property
    def perplexity(self) -> float:
        """Exponential of the nats per token; at least 1, lower is more probable."""
        return math.exp(self.nats_per_token)


class LanguageModel(Protocol):
    """Anything that writes replies and scores texts. Results come in the order of the requests."""

    name: str

    def generate(self, requests: Sequence[GenerationRequest]) -> list[Generation]:
        """Write one reply a request.

        Raises:
            ModelError: a request that this model cannot take (too long, unknown adapter); nothing is generated
                then.
            ModelServerError: the model is out of reach or answers nonsense.
        """
        ...

    def score(self, requests: Sequence[ScoringRequest]) -> list[Score]:
        """Score one text a request; errors as in ``generate``."""
        ...


def _check_dialogue(messages: tuple[Message, ...]) -> None:
    if not messages:
        raise ModelError("the dialogue is empty; a request needs at least one message")
    if messages[-1].role == "assistant":
        raise ModelError("the dialogue ends with an assistant turn; the model is to write that one")
