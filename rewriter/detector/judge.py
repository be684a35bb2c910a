"""A detector by any language model: a JSON reply, read strictly."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from agents.faults import faults_of
from agents.models.protocol import Generation, GenerationRequest, LanguageModel, Message
from agents.templates import check_template, fill_template
from agents.values import SCHWARTZ_VALUES
from negotiation.errors import ConfigurationError, MalformedReplyError
from rewriter.replies import ask_for_form, parse_json
from rewriter.vocabulary import ValueReading, check_text

JUDGE_PROMPTS = Path(__file__).parent.parent / "data" / "detector" / "judge.yaml"

_FIELDS = {"system": set[str](), "user": {"text", "form"}}
_FORM = json.dumps({"values": dict.fromkeys(SCHWARTZ_VALUES, 0.0), "confidence": 0.5})

Value = Annotated[float, Field(ge=-1, le=1, allow_inf_nan=False, strict=True)]


class JudgePrompts(BaseModel):
    """Templates of the detector's dialogue."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(min_length=1, description="name of the set")
    version: int = Field(ge=1, description="raised whenever a rendering changes")
    system: str = Field(description="system message")
    user: str = Field(description="the text and the form of the reply")

    @model_validator(mode="after")
    def _check(self) -> Self:
        for name, expected in _FIELDS.items():
            check_template(name, getattr(self, name), frozenset(expected))
        return self

    @classmethod
    def load(cls, path: Path = JUDGE_PROMPTS) -> JudgePrompts:
        """Read the prompts from YAML.

        Raises:
            ConfigurationError: if the file is missing, is no YAML, or a template is missing or wrong.
        """
        try:
            return cls.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
        except ValidationError as error:
            raise ConfigurationError(f"prompts {path}: {faults_of(error, 'file')}") from error
        except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
            raise ConfigurationError(
                f"prompts {path} cannot be read: {error}; give a YAML file in UTF-8"
            ) from error


class _Reply(BaseModel):
    """What a model is to reply."""

    model_config = ConfigDict(extra="forbid")

    values: dict[str, Value]
    confidence: float = Field(ge=0, le=1, allow_inf_nan=False, strict=True)

    @model_validator(mode="after")
    def _check(self) -> Self:
        missing = [name for name in SCHWARTZ_VALUES if name not in self.values]
        strange = [name for name in self.values if name not in SCHWARTZ_VALUES]
        if missing or strange:
            raise ValueError(f"values must be the ten; missing: {missing}, unknown: {strange}")
        return self


class LanguageModelDetector:
    """Asks a model for ten numbers as JSON. A reply of another form is asked for again, within a bound.

    The confidence of a reading is what the model says of itself, checked by nobody.

    Args:
        model: any that follows instructions.
        retries: tries after the first, at least 0.
        temperature: of the tries after the first; the first is greedy.
        max_new_tokens: bound on the reply.
        seed: at least 0.
        prompts: the dialogue; those that ship if None.

    Attributes:
        name: for records.
    """

    def __init__(
        self,
        model: LanguageModel,
        *,
        retries: int = 3,
        temperature: float = 0.7,
        max_new_tokens: int = 400,
        seed: int = 0,
        prompts: JudgePrompts | None = None,
    ) -> None:
        if retries < 0:
            raise ConfigurationError(f"retries is {retries}; it must be at least 0")
        self.name = f"values by {model.name}"
        self._model = model
        self._retries, self._temperature = retries, temperature
        self._max_new_tokens, self._seed = max_new_tokens, seed
        self._prompts = JudgePrompts.load() if prompts is None else prompts

    def read(self, texts: Sequence[str]) -> list[ValueReading]:
        """One reading a text, in order; all are asked at once, and again those whose reply was of another form.

        Raises:
            TextError: a blank text, by its place.
            MalformedReplyError: if the last reply for a text was of another form too.
            ModelServerError: if the model is out of reach.
        """
        for place, text in enumerate(texts):
            check_text(text, f"text {place} for the detector")
        replies = ask_for_form(
            self._model,
            len(texts),
            lambda place, attempt: self._request(texts[place], attempt),
            lambda _, reply: parse_reading(reply),
            self._retries,
        )
        for place in replies.missing(len(texts)):
            raise MalformedReplyError(
                f"{self.name}: no reading of text {place} in {self._retries + 1} tries ({replies.wrong[place]});"
                " use the bundled detector or a model that follows instructions"
            )
        return [replies.read[place] for place in range(len(texts))]

    def _request(self, text: str, attempt: int) -> GenerationRequest:
        prompts = self._prompts
        asked = fill_template(prompts.user, {"text": text.strip(), "form": _FORM})
        return GenerationRequest(
            (Message("system", prompts.system), Message("user", asked)),
            max_new_tokens=self._max_new_tokens,
            temperature=self._temperature if attempt else 0.0,
            top_p=1.0,
            seed=self._seed + attempt,
        )


def parse_reading(reply: Generation) -> ValueReading:
    """Read a reply; a fence of code round it is allowed, nothing else is.

    Raises:
        MalformedReplyError: saying what is wrong: cut off, no JSON, a key that is missing or strange, a number out of range.
    """
    if reply.finish == "length":
        raise MalformedReplyError(f"the reply was cut off at {reply.generated_tokens} tokens")
    found = parse_json(reply.text, _Reply)
    return ValueReading(tuple(found.values[name] for name in SCHWARTZ_VALUES), found.confidence)
