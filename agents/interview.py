"""Asking a language model a survey: closed questions, answers read from the probabilities of the options.

Nothing is parsed out of written text. Each option's label is scored as the reply (teacher-forced), in several wordings of the
question and several orders of the options, so that neither a wording nor a place in the list decides (Santurkar et al. 2023,
arXiv 2303.17548, section 3.1; Dominguez-Olmedo et al. 2024, arXiv 2306.07951, on answers that follow the order).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import yaml
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from agents.cultures import Culture
from agents.models.protocol import LanguageModel, Message, ScoringRequest
from agents.prompts import PromptSet
from agents.survey.codebook import Item
from agents.templates import fill_template, one_line, template_fields
from negotiation.errors import ConfigurationError, ModelError

DEFAULT_FRAMES = Path(__file__).parent / "data" / "prompts" / "interview.yaml"


@dataclass(frozen=True, slots=True)
class SurveyQuestion:
    """A closed question.

    Attributes:
        id: of the codebook's item.
        text: the question, in the codebook's own words.
        options: (K,) labels in the item's order, K >= 2, all different.
        positions: (K,) increasing places of the options on a scale, or None if they have no order.
    """

    id: str
    text: str
    options: tuple[str, ...]
    positions: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        if len(self.options) < 2 or len(set(self.options)) != len(self.options):
            raise ConfigurationError(
                f"question {self.id!r} has the options {self.options}; give two or more, all different"
            )


def question_of(item: Item) -> SurveyQuestion:
    """A codebook item as a question; its options count as evenly spaced, as in ``Item.score``."""
    places = tuple(float(place) for place in range(len(item.options)))
    return SurveyQuestion(item.id, item.question, item.options, places)


class InterviewConfig(BaseModel):
    """How often each question is put."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    orders: int = Field(default=4, ge=1, le=64, description="orders of the options tried with each wording")
    against_prior: bool = Field(
        default=False,
        description="divide each option's probability by that without the question (Holtzman et al. 2021,"
        " arXiv 2104.08315), which helps small models that favour common phrases",
    )


class FrameSet(BaseModel):
    """The wordings in which a question is put; each uses exactly the fields question and options."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(min_length=1, description="name of the set")
    version: int = Field(ge=1, description="raised whenever a wording changes")
    option: str = Field(description="one option in the list; uses {label}")
    frames: tuple[str, ...] = Field(min_length=1, description="wordings of a question with its options")

    @model_validator(mode="after")
    def _check_fields(self) -> Self:
        for place, frame in enumerate(self.frames):
            if template_fields(frame) != {"question", "options"}:
                used = ", ".join(sorted(template_fields(frame))) or "none"
                raise ValueError(f"frame {place} uses the fields {used}; use exactly question and options")
        if template_fields(self.option) != {"label"}:
            raise ValueError(f"option is {self.option!r}; it must use exactly the field label")
        return self

    @classmethod
    def load(cls, path: Path = DEFAULT_FRAMES) -> FrameSet:
        """Read wordings from YAML; without a path, the shipped ones.

        Raises:
            ConfigurationError: if the file is missing, no such YAML, or a wording uses other fields.

        >>> len(FrameSet.load().frames)
        3
        """
        try:
            return cls.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
        except OSError as error:
            raise ConfigurationError(f"frames {path}: {error.strerror}; give a readable YAML file") from error
        except (UnicodeDecodeError, yaml.YAMLError, ValidationError) as error:
            raise ConfigurationError(f"frames {path}: {error}") from error

    def ask(self, frame: int, question: str, options: Sequence[str]) -> str:
        """The question in one wording, its options in the order given."""
        listed = "\n".join(fill_template(self.option, {"label": one_line(label)}) for label in options)
        return fill_template(self.frames[frame], {"question": one_line(question), "options": listed})


@dataclass(frozen=True, slots=True, eq=False)
class InterviewAnswer:
    """What a model answered to one question.

    Attributes:
        question: id of the question.
        readings: (R, K) each reading's distribution over the options in the item's order; rows sum to 1. R is wordings times
            orders.
    """

    question: str
    readings: NDArray[np.float64]

    @property
    def shares(self) -> NDArray[np.float64]:
        """(K,) the mean over readings; sums to 1."""
        mean: NDArray[np.float64] = self.readings.mean(axis=0)
        return mean


def interview(
    model: LanguageModel,
    questions: Sequence[SurveyQuestion],
    culture: Culture,
    rng: np.random.Generator,
    *,
    adapter: str | None = None,
    config: InterviewConfig | None = None,
    frames: FrameSet | None = None,
    prompts: PromptSet | None = None,
) -> list[InterviewAnswer]:
    """Ask one model, speaking for one culture, all questions, in one batched scoring call.

    Args:
        model: anything that scores texts.
        questions: asked in this order; at least one.
        culture: who the system message lets it speak for.
        rng: of the orders of the options.
        adapter: name of a loaded adapter, or None for the base model.
        config: orders and prior; the defaults if None.
        frames: wordings; the shipped ones if None.
        prompts: whose system message is used; the shipped set if None.

    Raises:
        ConfigurationError: if there are no questions.
        ModelError: if a request does not fit the model, or it gives no finite probability.
    """
    if not questions:
        raise ConfigurationError("no questions to ask; choose at least one item")
    config, frames = config or InterviewConfig(), frames or FrameSet.load()
    system = (prompts or PromptSet.load()).speaker(culture)
    requests: list[ScoringRequest] = []
    for question in questions:
        orders = _orders(len(question.options), config.orders, rng)
        for frame in range(len(frames.frames)):
            for order in orders:
                listed = [question.options[k] for k in order]
                wordings = [question.text, ""] if config.against_prior else [question.text]
                for text in wordings:
                    dialogue = (system, Message("user", frames.ask(frame, text, listed)))
                    requests += [ScoringRequest(dialogue, label, adapter) for label in question.options]
    scores = np.array([score.logprob for score in model.score(requests)])
    return _answers(scores, questions, len(frames.frames) * config.orders, config.against_prior)


def _answers(
    scores: NDArray[np.float64], questions: Sequence[SurveyQuestion], readings: int, against_prior: bool
) -> list[InterviewAnswer]:
    """Scores in the order of the requests, as distributions."""
    answers, start = [], 0
    for question in questions:
        count = len(question.options)
        asked = scores[start : start + readings * count * (1 + against_prior)]
        start += len(asked)
        table = asked.reshape(readings, 1 + against_prior, count)
        logits = table[:, 0] - table[:, 1] if against_prior else table[:, 0]
        if not np.isfinite(logits).all():
            raise ModelError(f"the model gave no finite probability to an option of question {question.id!r}")
        shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
        answers.append(InterviewAnswer(question.id, shifted / shifted.sum(axis=1, keepdims=True)))
    return answers


def _orders(options: int, count: int, rng: np.random.Generator) -> list[NDArray[np.intp]]:
    """``count`` orders: in pairs of a random one and its reverse, so that each option is early as often as late."""
    orders: list[NDArray[np.intp]] = []
    while len(orders) < count:
        order = rng.permutation(options)
        orders += [order, order[::-1]]
    return orders[:count]
