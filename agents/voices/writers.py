"""Who writes the pairs: a language model, or plain sentences without one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from agents.asking import KEPT_CHARS, reply_seed
from agents.cultures import Culture
from agents.models.protocol import Generation, GenerationRequest, LanguageModel
from agents.parsing import parse_statement
from agents.voices.config import VoicesConfig
from agents.voices.prompts import VoicePrompts
from agents.voices.rows import Pair, Wanted
from negotiation.errors import MalformedReplyError, ModelServerError

QUESTION_WORDS = 60
"""Most words of an open question."""

LABELS = ("Question", "Answer")
"""The two lines of a reply, in this order."""


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A reply that is not of the asked form: what is wrong with it, and its first characters."""

    problem: str
    text: str


class Writer(Protocol):
    """Writes pairs.

    Attributes:
        name: of the model, for provenance.
        repeats: whether two pairs of an item may be the same text.
    """

    name: str
    repeats: bool

    def write(self, wanted: Sequence[Wanted], attempt: int) -> list[Pair | Unreadable]:
        """One result a pair wanted, in order; ``attempt`` tells one try from the next."""
        ...


class TemplateWriter:
    """Sentences made of the item's question and the option's label, without a language model.

    They are all alike and give no reasons; they are there so that a machine without a language model can make training text
    for the bundled one.
    """

    name = "template"
    repeats = True

    def __init__(self, prompts: VoicePrompts) -> None:
        self._prompts = prompts

    def write(self, wanted: Sequence[Wanted], attempt: int) -> list[Pair | Unreadable]:
        """One pair each; another number or attempt gives another frame, as long as there are any."""
        return [
            Pair(*self._prompts.framed(place.item, place.option, place.number + attempt)) for place in wanted
        ]


class ModelWriter:
    """A language model rewrites the answer into an open question and an answer. One model call for all that are asked."""

    repeats = False

    def __init__(
        self, model: LanguageModel, culture: Culture, prompts: VoicePrompts, config: VoicesConfig
    ) -> None:
        self.name = model.name
        self._model = model
        self._culture = culture
        self._prompts = prompts
        self._config = config

    def write(self, wanted: Sequence[Wanted], attempt: int) -> list[Pair | Unreadable]:
        """One result each.

        Raises:
            ModelError: if the model cannot take a prompt.
            ModelServerError: if the model is out of reach.
        """
        replies = self._model.generate([self._request(place, attempt) for place in wanted])
        if len(replies) != len(wanted):
            raise ModelServerError(
                f"model {self.name!r} gave {len(replies)} replies to {len(wanted)} requests; use another"
            )
        return [self._read(reply) for reply in replies]

    def _request(self, place: Wanted, attempt: int) -> GenerationRequest:
        config = self._config
        call = f"voice/{self._culture.id}/{place.item.id}/{place.option}"
        return GenerationRequest(
            messages=self._prompts.rewriting(self._culture, place.item, place.option, config.answer_words),
            max_new_tokens=config.max_new_tokens,
            temperature=config.temperature,
            top_p=config.top_p,
            seed=reply_seed(config.seed, call, place.number, attempt),
        )

    def _read(self, reply: Generation) -> Pair | Unreadable:
        if reply.finish == "length":
            return Unreadable(
                f"the reply was cut off at {reply.generated_tokens} tokens", reply.text[:KEPT_CHARS]
            )
        try:
            return parse_pair(reply.text, self._config.answer_words)
        except MalformedReplyError as error:
            return Unreadable(str(error), reply.text[:KEPT_CHARS])


def parse_pair(text: str, answer_words: int) -> Pair:
    r"""Read a pair of two lines: ``Question: ...?``, ``Answer: ...``.

    White space round a line and round the whole is allowed, anything else is not.

    Args:
        text: the reply.
        answer_words: as asked for; a quarter more is accepted.

    Raises:
        MalformedReplyError: saying what is wrong: a number of lines other than two, a line with another label or without
            text, a question without question mark, too many words, or bytes that are no text.

    >>> parse_pair("Question: Why vote?\nAnswer: We vote because it is our duty.", 60).question
    'Why vote?'
    """
    lines = [line.strip() for line in text.strip().splitlines()]
    if len(lines) != len(LABELS):
        raise MalformedReplyError(
            f"reply has {len(lines)} line{'s' * (len(lines) != 1)}; expected two: {', '.join(LABELS)}"
        )
    parts = []
    for number, (label, line) in enumerate(zip(LABELS, lines, strict=True), start=1):
        if not line.startswith(f"{label}:"):
            raise MalformedReplyError(f"reply line {number} begins {line[:30]!r}; expected '{label}:'")
        words = QUESTION_WORDS if label == "Question" else answer_words
        try:
            parts.append(parse_statement(line[len(label) + 1 :], words))
        except MalformedReplyError as error:
            raise MalformedReplyError(f"reply line {number} ({label}): {error}") from error
    question, answer = parts
    if not question.endswith("?"):
        raise MalformedReplyError(f"reply line 1 asks nothing: it ends {question[-20:]!r} and not with '?'")
    return Pair(question, answer)
