"""The rewriter's prompt: a source and a target vector, in words and numbers."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from agents.faults import faults_of
from agents.models.protocol import Message
from agents.templates import check_template, fill_template
from agents.values import SCHWARTZ_VALUES
from negotiation.errors import ConfigurationError
from rewriter.vocabulary import RewriteRequest

DEFAULT_PROMPTS = Path(__file__).parent / "data" / "prompts" / "rewrite.yaml"
"""The prompt for any model; the bundled rewriter is trained on it."""

_FIELDS = {
    "system": set[str](),
    "user": {"source", "values"},
    "value": {"name", "number", "degree", "change"},
}

Scale = tuple[tuple[float, str], ...]


class RewritePrompts(BaseModel):
    """Templates of the rewriter's dialogue."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(min_length=1, description="name of the set, kept with adapters")
    version: int = Field(ge=1, description="raised whenever a rendering changes")
    system: str = Field(description="system message")
    user: str = Field(description="source and wanted values")
    value: str = Field(description="one wanted value")
    degrees: Scale = Field(min_length=1, description="word for a number: that of the last bound it reaches")
    changes: Scale = Field(min_length=1, description="word for a movement: that of the last bound it reaches")

    @model_validator(mode="after")
    def _check(self) -> Self:
        for name, expected in _FIELDS.items():
            check_template(name, getattr(self, name), frozenset(expected))
        for name, lowest in (("degrees", -1.0), ("changes", -2.0)):
            bounds = [bound for bound, _ in getattr(self, name)]
            if bounds != sorted(set(bounds)) or bounds[0] > lowest:
                raise ValueError(f"{name}: bounds must rise, the first being at most {lowest:g}")
        return self

    @classmethod
    def load(cls, path: Path | None = None) -> RewritePrompts:
        """Read a prompt set from YAML; without a path, the one that ships.

        Raises:
            ConfigurationError: if the file is missing, is no YAML, or a template is missing or wrong.
        """
        return _load(path or DEFAULT_PROMPTS)

    def messages(self, request: RewriteRequest) -> tuple[Message, ...]:
        """The dialogue that asks for a rewriting.

        All ten values are named, with the number wanted, rounded to a tenth, and its word; the movement is told by a word alone.
        """
        lines = [
            fill_template(
                self.value,
                {
                    "name": name,
                    "number": f"{_tenths(target):+.1f}",
                    "degree": _word(self.degrees, target),
                    "change": _word(self.changes, target - before),
                },
            )
            for name, before, target in zip(SCHWARTZ_VALUES, request.before, request.target, strict=True)
        ]
        asked = fill_template(self.user, {"source": request.source.strip(), "values": "\n".join(lines)})
        return (Message("system", self.system), Message("user", asked))

    def too_long(self, request: RewriteRequest, tokens: int, room: int, window: int) -> str:
        """What to say of a dialogue of so many tokens that leaves no ``room`` for an answer in the model's window."""
        return (
            f"the text to rewrite, which begins {request.source.strip()[:40]!r}, makes {tokens} tokens with its prompt;"
            f" with {room} for the answer the model takes {window}: split the text"
        )


@lru_cache(maxsize=8)
def _load(path: Path) -> RewritePrompts:
    try:
        tree = yaml.safe_load(path.read_text(encoding="utf-8"))
        return RewritePrompts.model_validate(tree)
    except ValidationError as error:
        raise ConfigurationError(f"prompts {path}: {faults_of(error, 'file')}") from error
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigurationError(
            f"prompts {path} cannot be read: {error}; give a YAML file in UTF-8"
        ) from error


def _tenths(number: float) -> float:
    return round(number, 1) + 0.0  # no negative zero


def _word(scale: Scale, number: float) -> str:
    # Bounds are meant as decimals: 0.7 reaches 0.7 however it was computed.
    return [word for bound, word in scale if number >= bound - 1e-9][-1]
