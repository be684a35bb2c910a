"""A language model as translator: a JSON reply, read strictly."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field

from agents.models.protocol import GenerationRequest, LanguageModel, Message
from agents.values import SCHWARTZ_VALUES
from negotiation.errors import MalformedReplyError, TargetError
from rewriter.replies import ask_for_form, parse_json
from rewriter.vocabulary import Shift

PROMPT_FILE = Path(__file__).parent.parent / "data" / "translator" / "prompt.yaml"

ValueName = Literal[
    "Self-Direction",
    "Stimulation",
    "Hedonism",
    "Achievement",
    "Power",
    "Security",
    "Conformity",
    "Tradition",
    "Benevolence",
    "Universalism",
]


class _Movement(BaseModel):
    """What the model reads about one value."""

    model_config = ConfigDict(extra="forbid")

    value: ValueName
    movement: Annotated[float, Field(ge=-2, le=2, allow_inf_nan=False)]
    words: str = Field(min_length=1, description="of the instruction")


class _Reply(BaseModel):
    model_config = ConfigDict(extra="forbid")

    movements: list[_Movement]


class _Prompt(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    system: str
    example_instruction: str
    example_reply: str


class LanguageModelTranslator:
    """Asks a model for the movements as JSON. A reply of another form is asked for again.

    Args:
        model: any that follows instructions.
        retries: tries after the first.
        temperature: of the tries after the first; the first is greedy.
        max_new_tokens: bound on the reply.
        seed: at least 0.

    Attributes:
        name: for records.
    """

    def __init__(
        self,
        model: LanguageModel,
        *,
        retries: int = 3,
        temperature: float = 0.7,
        max_new_tokens: int = 600,
        seed: int = 0,
    ) -> None:
        self.name = f"translator by {model.name}"
        self._model = model
        self._retries, self._temperature = retries, temperature
        self._max_new_tokens, self._seed = max_new_tokens, seed
        self._prompt = _Prompt.model_validate(yaml.safe_load(PROMPT_FILE.read_text(encoding="utf-8")))

    def translate(self, instructions: Sequence[str]) -> list[Shift]:
        """One shift an instruction, in order; all are asked at once, and again those whose reply was of another form.

        Raises:
            TargetError: an instruction that is blank, or in which the model finds no value.
            MalformedReplyError: if the last reply for an instruction was of another form too.
        """
        for place, instruction in enumerate(instructions):
            if not instruction.strip():
                raise TargetError(f"instruction {place} is empty; say which of {', '.join(SCHWARTZ_VALUES)}")
        replies = ask_for_form(
            self._model,
            len(instructions),
            lambda place, attempt: self._request(instructions[place], attempt),
            lambda place, reply: _read(reply.text, instructions[place]),
            self._retries,
        )
        for place in replies.missing(len(instructions)):
            raise MalformedReplyError(
                f"{self.name}: no translation of {instructions[place].strip()!r} in {self._retries + 1} tries"
                f" ({replies.wrong[place]}); use the bundled translator or a model that follows instructions"
            )
        return [replies.read[place] for place in range(len(instructions))]

    def _request(self, instruction: str, attempt: int) -> GenerationRequest:
        prompt = self._prompt
        messages = (
            Message("system", prompt.system),
            Message("user", prompt.example_instruction),
            Message("assistant", prompt.example_reply),
            Message("user", instruction.strip()),
        )
        temperature = self._temperature if attempt else 0.0
        return GenerationRequest(messages, self._max_new_tokens, temperature, 1.0, self._seed + attempt)


def _read(text: str, instruction: str) -> Shift:
    """Read a reply; a fence of code round it is allowed, nothing else is.

    Raises:
        MalformedReplyError: if it is of another form, or names a value twice.
        TargetError: if it is of the form and finds nothing.
    """
    reply = parse_json(text, _Reply)
    if not reply.movements:
        raise TargetError(
            f"no value is found in the instruction {instruction.strip()!r}; name one or more of"
            f" {', '.join(SCHWARTZ_VALUES)}"
        )
    values = dict.fromkeys(SCHWARTZ_VALUES, 0.0)
    lines = []
    for movement in reply.movements:
        if values[movement.value]:
            raise MalformedReplyError(f"the reply names {movement.value} twice")
        values[movement.value] = movement.movement
        asked = f"{movement.movement:+.2f}" if movement.movement else "kept"
        lines.append(f"{movement.value} {asked}: read in {movement.words!r} (by the model)")
    return Shift(tuple(values.values()), tuple(lines))
