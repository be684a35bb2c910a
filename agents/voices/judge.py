"""Does an answer still express the option it was made from? A language model tells by its log-probabilities."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from agents.models.protocol import LanguageModel, Message, ScoringRequest
from agents.survey.codebook import Item
from agents.templates import one_line
from agents.voices.prompts import VoicePrompts
from agents.voices.rows import Pair
from negotiation.errors import ModelServerError


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a judge reads out of an answer.

    Attributes:
        probabilities: (K options,) in the item's order, in [0, 1], summing to 1; None if nobody judged.
    """

    probabilities: tuple[float, ...] | None

    def probability(self, option: int) -> float | None:
        """Of one option; None if nobody judged."""
        return None if self.probabilities is None else self.probabilities[option]

    def keeps(self, option: int, least: float, tolerance: int = 0) -> bool:
        """Whether the answer expresses this option.

        Args:
            option: the intended one.
            least: least probability of it and those within ``tolerance`` together.
            tolerance: how many places from it the most probable option may lie; a tie with one farther off keeps nothing.
        """
        if self.probabilities is None:
            return True
        near = self.probabilities[max(0, option - tolerance) : option + tolerance + 1]
        far = [value for place, value in enumerate(self.probabilities) if abs(place - option) > tolerance]
        return math.fsum(near) >= least and all(max(near) > value for value in far)


class Judge(Protocol):
    """Reads which option an answer expresses.

    Attributes:
        name: of the model, for provenance.
    """

    name: str

    def judge(self, pairs: Sequence[tuple[Item, Pair]]) -> list[Verdict]:
        """One verdict a pair, in order."""
        ...


class NoJudge:
    """Keeps everything."""

    name = "none"

    def judge(self, pairs: Sequence[tuple[Item, Pair]]) -> list[Verdict]:
        """Verdicts that keep."""
        return [Verdict(None) for _ in pairs]


class ModelJudge:
    """A language model scores every option's label as the reply to "which of these does it express?".

    A label is probable also for being short or common, so what counts is how much the answer raises it over the same
    question without the answer (domain-conditional mutual information; Holtzman et al. 2021, arXiv 2104.08315):

        P(option | answer) ~ p(label | question, options, answer) / p(label | question, options)
    """

    def __init__(self, model: LanguageModel, prompts: VoicePrompts) -> None:
        self.name = model.name
        self._model = model
        self._prompts = prompts
        self._blind: dict[str, tuple[float, ...]] = {}

    def judge(self, pairs: Sequence[tuple[Item, Pair]]) -> list[Verdict]:
        """One verdict a pair; all scores are asked for in one model call.

        Raises:
            ModelError: if the model cannot take a prompt.
            ModelServerError: if it is out of reach or cannot score.
        """
        unseen = {item.id: item for item, _ in pairs if item.id not in self._blind}
        asks = [(self._prompts.judging_blind(item), item) for item in unseen.values()]
        asks += [(self._prompts.judging(item, pair.question, pair.answer), item) for item, pair in pairs]
        scored = self._score(asks)
        self._blind |= dict(zip(unseen, scored, strict=False))
        return [
            Verdict(_softmax([seen - blind for seen, blind in zip(row, self._blind[item.id], strict=True)]))
            for (item, _), row in zip(pairs, scored[len(unseen) :], strict=True)
        ]

    def _score(self, asks: Sequence[tuple[tuple[Message, ...], Item]]) -> list[tuple[float, ...]]:
        """For each dialogue the log-probability (nats) of each option's label."""
        requests = [
            ScoringRequest(messages, one_line(label)) for messages, item in asks for label in item.options
        ]
        if not requests:
            return []
        scores = self._model.score(requests)
        if len(scores) != len(requests):
            raise ModelServerError(
                f"model {self.name!r} gave {len(scores)} scores to {len(requests)} requests; use another judge"
            )
        rows, start = [], 0
        for _, item in asks:
            rows.append(tuple(score.logprob for score in scores[start : start + len(item.options)]))
            start += len(item.options)
        return rows


def _softmax(values: Sequence[float]) -> tuple[float, ...]:
    highest = max(values)
    weights = [math.exp(value - highest) for value in values]
    total = math.fsum(weights)
    return tuple(weight / total for weight in weights)
