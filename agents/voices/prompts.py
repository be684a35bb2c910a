"""The prompts of training text as data: templates of a YAML file and the functions that fill them.

As in ``agents.prompts``, filling is one pass over the template's own text, and what is put in becomes one line.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from agents.faults import faults_of
from agents.models.protocol import Message
from agents.survey.codebook import Item
from agents.templates import check_template, fill_template, one_line
from negotiation.errors import ConfigurationError

if TYPE_CHECKING:
    from agents.cultures import Culture

VOICE_PROMPTS = Path(__file__).parent.parent / "data" / "prompts" / "voices.yaml"
"""The prompts that ship with the package."""

TEMPLATE_FIELDS: dict[str, frozenset[str]] = {
    "rewrite_system": frozenset({"culture", "description"}),
    "rewrite": frozenset({"question", "options", "option", "max_words"}),
    "judge_system": frozenset(),
    "judge": frozenset({"question", "options", "asked", "answer"}),
    "judge_blind": frozenset({"question", "options"}),
    "reply": frozenset({"question", "answer"}),
    "question_frames": frozenset({"question"}),
    "answer_frames": frozenset({"option"}),
    "scale_point": frozenset({"point", "first", "last"}),
}
"""What each template is given; it must use exactly these."""


class VoicePrompts(BaseModel):
    """Templates of rewriting and judging; every one uses exactly the fields of ``TEMPLATE_FIELDS``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(min_length=1, description="name of the set, kept in every row")
    version: int = Field(ge=1, description="raised whenever a rendering changes")
    rewrite_system: str = Field(description="system message of the rewriting")
    rewrite: str = Field(description="asks for an open question and an answer of one option")
    judge_system: str = Field(description="system message of the judge")
    judge: str = Field(description="asks which option a reply expresses")
    judge_blind: str = Field(description="the same without the reply; its answer is the judge's prejudice")
    reply: str = Field(description="question and answer as the model is to write them; used in tests")
    scale_point: str = Field(description="an option that is only a number, in words")
    question_frames: tuple[str, ...] = Field(min_length=1, description="open questions without a model")
    answer_frames: tuple[str, ...] = Field(min_length=1, description="answers without a model")

    @model_validator(mode="after")
    def _check_fields(self) -> Self:
        for name, expected in TEMPLATE_FIELDS.items():
            value = getattr(self, name)
            for template in (value,) if isinstance(value, str) else value:
                check_template(name, template, expected)
        return self

    @classmethod
    def load(cls, path: Path | None = None) -> VoicePrompts:
        """Read the prompts from YAML; without a path, those that ship with the package.

        Raises:
            ConfigurationError: if the file is missing, is no UTF-8 YAML mapping, lacks a template or has one too many, or
                a template does not use exactly the fields it is given.

        >>> VoicePrompts.load().name
        'voices'
        """
        source = VOICE_PROMPTS if path is None else path
        try:
            return cls.model_validate(yaml.safe_load(source.read_text(encoding="utf-8")))
        except OSError as error:
            raise ConfigurationError(
                f"prompts {source}: {error.strerror}; give a readable YAML file"
            ) from error
        except (UnicodeDecodeError, yaml.YAMLError) as error:
            raise ConfigurationError(f"prompts {source}: not UTF-8 YAML: {error}") from error
        except ValidationError as error:
            raise ConfigurationError(f"prompts {source}: {faults_of(error, 'templates')}") from error

    def rewriting(self, culture: Culture, item: Item, option: int, max_words: int) -> tuple[Message, Message]:
        """Ask for an open question and an answer that expresses one option (by its place)."""
        system = _fill(self.rewrite_system, {"culture": culture.name, "description": culture.description})
        fields = {"option": self.spoken(item, option), "max_words": str(max_words)} | _of_item(item)
        return Message("system", system), Message("user", _fill(self.rewrite, fields))

    def judging(self, item: Item, asked: str, answer: str) -> tuple[Message, Message]:
        """Ask which option an answer expresses."""
        user = _fill(self.judge, {"asked": asked, "answer": answer} | _of_item(item))
        return Message("system", self.judge_system), Message("user", user)

    def judging_blind(self, item: Item) -> tuple[Message, Message]:
        """Ask the judge the same without showing an answer."""
        return Message("system", self.judge_system), Message("user", _fill(self.judge_blind, _of_item(item)))

    def written(self, question: str, answer: str) -> str:
        """A pair as the model is to write it; ``agents.voices.writers.parse_pair`` reads it back."""
        return _fill(self.reply, {"question": question, "answer": answer})

    def spoken(self, item: Item, option: int) -> str:
        """An option's label; a bare number of a scale with the scale's ends."""
        label = one_line(item.options[option])
        if any(character.isalpha() for character in label):
            return label
        return _fill(self.scale_point, {"point": label, "first": item.options[0], "last": item.options[-1]})

    def framed(self, item: Item, option: int, variant: int) -> tuple[str, str]:
        """Question and answer without a model; variants repeat after the number of question times answer frames."""
        asked, answered = len(self.question_frames), len(self.answer_frames)
        variant %= asked * answered
        # Along diagonals, so that neighbouring variants differ in both.
        turn, answer = divmod(variant, answered)
        question = self.question_frames[(turn + answer) % asked]
        label = self.spoken(item, option).rstrip(".")
        return (
            _fill(question, {"question": item.question}),
            _fill(self.answer_frames[answer], {"option": label}),
        )


def _of_item(item: Item) -> dict[str, str]:
    return {"question": item.question, "options": _joined(item.options)}


def _joined(options: Sequence[str]) -> str:
    return "; ".join(one_line(option) for option in options)


def _fill(template: str, fields: Mapping[str, str]) -> str:
    return fill_template(template, {name: one_line(text) for name, text in fields.items()})
