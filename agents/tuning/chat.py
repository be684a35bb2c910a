"""A model's chat template and tokenizer, as training uses them: dialogues up to where the answer begins, answers, their end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from agents.models.protocol import Message
from agents.models.rendering import rendered, token_ids
from negotiation.errors import ModelError


class ChatTokens:
    """Tokens of dialogues and answers. They are made apart, as generation joins them.

    Args:
        tokenizer: of the model, with a chat template.
        template_options: variables for the chat template.

    Attributes:
        end: the token that ends an answer.

    Raises:
        ModelError: if the template refuses a dialogue, or no token ends an answer.
    """

    def __init__(self, tokenizer: Any, template_options: Mapping[str, Any] | None = None) -> None:
        self._tokenizer = tokenizer
        self._options = dict(template_options or {})
        self.end = self._end_of_turn()

    def prompt(self, messages: Sequence[Message]) -> list[int]:
        """A dialogue up to where the answer begins.

        Raises:
            ModelError: if the template refuses it.
        """
        return self.ids(self._rendered(messages, answer_follows=True))

    def ids(self, text: str) -> list[int]:
        """The tokens of a text, with nothing added."""
        return token_ids(self._tokenizer, text)

    def _rendered(self, messages: Sequence[Message], *, answer_follows: bool) -> str:
        whose = "the model's chat template"
        return rendered(self._tokenizer, messages, self._options, whose, answer_follows=answer_follows)

    def _end_of_turn(self) -> int:
        """The special token that the template puts behind an answer; the tokenizer's end token if it puts none."""
        probe = "plain words"
        turns = [Message("user", "?"), Message("assistant", probe)]
        behind = self._rendered(turns, answer_follows=False).rpartition(probe)[2]
        special = set(self._tokenizer.all_special_ids)
        found = next((token for token in self.ids(behind) if token in special), self._tokenizer.eos_token_id)
        if found is None:
            raise ModelError(
                "the model's tokenizer names no end-of-turn token; set eos_token in its settings"
            )
        return int(found)
