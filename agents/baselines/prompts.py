"""The baselines' prompts as data: templates of a YAML file and the functions that fill them.

As in ``agents.prompts``, filling is one pass over the template's own text, and what is put in becomes one line. Who
speaks (the system message) comes from the agents' own prompt set, so that it is the same for every method.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from agents.cultures import Culture
from agents.faults import faults_of
from agents.models.protocol import Message
from agents.templates import check_template, fill_template, one_line
from negotiation.errors import ConfigurationError

BASELINE_PROMPTS = Path(__file__).parent.parent / "data" / "prompts" / "baselines.yaml"
"""The prompts that ship with the package."""

TEMPLATE_FIELDS: dict[str, frozenset[str]] = {
    "agreement": frozenset(),
    "holds": frozenset({"culture", "position"}),
    "said": frozenset({"culture", "text"}),
    "own_said": frozenset({"text"}),
    "debate": frozenset({"topic", "position", "dialogue", "agreement", "max_words"}),
    "debate_consensus": frozenset({"topic", "position", "dialogue", "max_words"}),
    "other": frozenset({"culture", "description"}),
    "consultancy": frozenset({"topic", "position", "others", "max_words"}),
    "mediator_system": frozenset(),
    "candidate": frozenset({"topic", "positions", "max_words"}),
    "ballot": frozenset({"topic", "position", "max_words"}),
    "critique": frozenset({"topic", "position", "proposal", "max_words"}),
    "criticised": frozenset({"culture", "critique"}),
    "revision": frozenset({"topic", "positions", "proposal", "critiques", "max_words"}),
}
"""What each template is given; it must use exactly these."""


class BaselinePrompts(BaseModel):
    """A set of templates; every one uses exactly the fields of ``TEMPLATE_FIELDS``.

    The rendering functions return the user message of one model call.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(min_length=1, description="name of the set, kept in records")
    version: int = Field(ge=1, description="raised whenever a rendering changes")
    agreement: str = Field(min_length=1, description="the first line of a turn that agrees")
    holds: str = Field(description="a side's opening statement, for others")
    said: str = Field(description="another side's turn")
    own_said: str = Field(description="an own turn")
    debate: str = Field(description="asks for a turn")
    debate_consensus: str = Field(description="asks for the consensus after a debate")
    other: str = Field(description="who another side is, without what it holds")
    consultancy: str = Field(description="asks for the answer of a consultancy")
    mediator_system: str = Field(description="system message of the mediator")
    candidate: str = Field(description="asks the mediator for a statement")
    ballot: str = Field(description="what a candidate is scored as the answer to")
    critique: str = Field(description="asks a side what it misses in the winner")
    criticised: str = Field(description="a side's critique, for the mediator")
    revision: str = Field(description="asks the mediator for a statement that answers the critiques")

    @model_validator(mode="after")
    def _check_fields(self) -> Self:
        for name, expected in TEMPLATE_FIELDS.items():
            check_template(name, getattr(self, name), expected)
        return self

    @classmethod
    def load(cls, path: Path | None = None) -> BaselinePrompts:
        """Read a prompt set from YAML; without a path, the one that ships with the package.

        Raises:
            ConfigurationError: if the file is missing, is no UTF-8 YAML mapping, lacks a template or has one too
                many, or a template does not use exactly the fields it is given.

        >>> BaselinePrompts.load().name
        'baselines'
        """
        source = BASELINE_PROMPTS if path is None else path
        try:
            return cls.model_validate(yaml.safe_load(source.read_text(encoding="utf-8")))
        except OSError as error:
            raise ConfigurationError(
                f"baseline prompts {source}: {error.strerror}; give a readable YAML file"
            ) from error
        except (UnicodeDecodeError, yaml.YAMLError) as error:
            raise ConfigurationError(f"baseline prompts {source}: not UTF-8 YAML: {error}") from error
        except ValidationError as error:
            raise ConfigurationError(f"baseline prompts {source}: {faults_of(error, 'templates')}") from error

    def turn(self, topic: str, position: str, dialogue: Sequence[str], max_words: int) -> Message:
        """Ask for a turn; ``dialogue`` is what was said so far, as ``held_by`` and ``said_by`` write it."""
        lines = {
            "topic": topic,
            "position": position,
            "agreement": self.agreement,
            "max_words": str(max_words),
        }
        return self._message("debate", lines, {"dialogue": "\n".join(dialogue)})

    def consensus_of_debate(
        self, topic: str, position: str, dialogue: Sequence[str], max_words: int
    ) -> Message:
        """Ask for the consensus after a debate."""
        lines = {"topic": topic, "position": position, "max_words": str(max_words)}
        return self._message("debate_consensus", lines, {"dialogue": "\n".join(dialogue)})

    def answer(self, topic: str, position: str, others: Sequence[Culture], max_words: int) -> Message:
        """Ask for the one answer of a consultancy, told who the others are and nothing of what they say."""
        known = [
            self._fill("other", {"culture": other.name, "description": other.description}) for other in others
        ]
        lines = {"topic": topic, "position": position, "max_words": str(max_words)}
        return self._message("consultancy", lines, {"others": "\n".join(known)})

    def mediating(self) -> Message:
        """The mediator's system message."""
        return Message("system", self.mediator_system)

    def statement(self, topic: str, positions: Sequence[str], max_words: int) -> Message:
        """Ask the mediator for a statement; ``positions`` as ``held_by`` writes them."""
        lines = {"topic": topic, "max_words": str(max_words)}
        return self._message("candidate", lines, {"positions": "\n".join(positions)})

    def revised(
        self,
        topic: str,
        positions: Sequence[str],
        proposal: str,
        critiques: Sequence[tuple[str, str]],
        max_words: int,
    ) -> Message:
        """Ask the mediator for a statement that answers critiques, each with its culture's name before it."""
        missed = [self._fill("criticised", {"culture": name, "critique": text}) for name, text in critiques]
        lines = {"topic": topic, "proposal": proposal, "max_words": str(max_words)}
        blocks = {"positions": "\n".join(positions), "critiques": "\n".join(missed)}
        return self._message("revision", lines, blocks)

    def accepted(self, topic: str, position: str, max_words: int) -> Message:
        """What a side's score of a candidate is the answer to."""
        return self._message("ballot", {"topic": topic, "position": position, "max_words": str(max_words)})

    def missed(self, topic: str, position: str, proposal: str, max_words: int) -> Message:
        """Ask a side for its critique of a proposal."""
        lines = {"topic": topic, "position": position, "proposal": proposal, "max_words": str(max_words)}
        return self._message("critique", lines)

    def held_by(self, culture: str, position: str) -> str:
        """A side's opening statement as others see it."""
        return self._fill("holds", {"culture": culture, "position": position})

    def said_by(self, culture: str | None, text: str) -> str:
        """A turn as a side sees it; without a culture, its own."""
        if culture is None:
            return self._fill("own_said", {"text": text})
        return self._fill("said", {"culture": culture, "text": text})

    def agrees(self, text: str) -> bool:
        r"""Whether a turn's first line is the one that says so; case, space round it and an end mark do not count.

        Nothing else is agreement, whatever it says.

        >>> prompts = BaselinePrompts.load()
        >>> [prompts.agrees(text) for text in ("I agree.", "i agree\nIt is fair.", "I agree. It is fair.", "Yes.")]
        [True, True, False, False]
        """
        return _bare(text.strip().split("\n", 1)[0]) == _bare(self.agreement)

    def _fill(self, name: str, lines: Mapping[str, str], blocks: Mapping[str, str] | None = None) -> str:
        """Fill a template; ``lines`` become one line each, ``blocks`` (filled templates) stay as they are."""
        values = {field: one_line(text) for field, text in lines.items()} | dict(blocks or {})
        return fill_template(getattr(self, name), values)

    def _message(
        self, name: str, lines: Mapping[str, str], blocks: Mapping[str, str] | None = None
    ) -> Message:
        return Message("user", self._fill(name, lines, blocks))


def _bare(line: str) -> str:
    return line.strip().rstrip(".!").strip().casefold()
