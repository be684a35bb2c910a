"""A model's chat template and tokenizer, as training uses them: dialogues up to where the answer begins, answers, their end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from agents.models.protocol import Message
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
        turns = [{"role": message.role, "content": message.content} for message in messages]
        return self.ids(self._rendered(turns, add_generation_prompt=True))

    def ids(self, text: str) -> list[int]:
        """The tokens of a text, with nothing added."""
        ids: list[int] = self._tokenizer(text, add_special_tokens=False)["input_ids"]
        return ids

    def _rendered(self, turns: list[dict[str, str]], *, add_generation_prompt: bool) -> str:
        try:
            rendered: str = self._tokenizer.apply_chat_template(
                turns, tokenize=False, add_generation_prompt=add_generation_prompt, **self._options
            )
        except Exception as error:
            # A template may refuse a dialogue, say one with a system turn, with an error of its own.
            raise ModelError(
                f"the model's chat template refuses the dialogue ({error});"
                " use a model whose template takes system and user turns"
            ) from error
        return rendered

    def _end_of_turn(self) -> int:
        """The special token that the template puts behind an answer; the tokenizer's end token if it puts none."""
        probe = "plain words"
        turns = [{"role": "user", "content": "?"}, {"role": "assistant", "content": probe}]
        behind = self._rendered(turns, add_generation_prompt=False).rpartition(probe)[2]
        special = set(self._tokenizer.all_special_ids)
        found = next((token for token in self.ids(behind) if token in special), self._tokenizer.eos_token_id)
        if found is None:
            raise ModelError(
                "the model's tokenizer names no end-of-turn token; set eos_token in its settings"
            )
        return int(found)
