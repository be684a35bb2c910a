"""Requests and answers as tokens of a model, and tokens as text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from negotiation.errors import ModelError, TextError
from rewriter.prompts import RewritePrompts
from rewriter.vocabulary import RewriteRequest


class RewriteTokens:
    """A model's tokens for the rewriter's dialogues.

    Args:
        tokenizer: of the model, with a chat template.
        window: of the model, in tokens; None if it has none.
        template_options: variables for the chat template.
        prompts: the shipped set if None.

    Attributes:
        end: the token that ends an answer.
        pad: a token for padding; it is masked.

    Raises:
        ModelError: if the template refuses the dialogue, or no token ends an answer.
    """

    def __init__(
        self,
        tokenizer: Any,
        window: int | None,
        template_options: dict[str, Any] | None = None,
        prompts: RewritePrompts | None = None,
    ) -> None:
        self._tokenizer = tokenizer
        self._window = window
        self._options = dict(template_options or {})
        self._prompts = RewritePrompts.load() if prompts is None else prompts
        self.end = self._end_of_turn()
        self.pad = self.end if tokenizer.pad_token_id is None else int(tokenizer.pad_token_id)

    def prompt(self, request: RewriteRequest, room: int = 1) -> tuple[int, ...]:
        """The dialogue that asks for a rewriting, up to where the answer begins.

        Args:
            request: what is asked.
            room: tokens that must be left for the answer.

        Raises:
            TextError: if that does not fit the model's window.
        """
        turns = [{"role": turn.role, "content": turn.content} for turn in self._prompts.messages(request)]
        tokens = tuple(self._ids(self._rendered(turns, add_generation_prompt=True)))
        if self._window is not None and len(tokens) + room > self._window:
            raise TextError(
                f"the text to rewrite, which begins {request.source.strip()[:40]!r}, makes {len(tokens)} tokens with its prompt;"
                f" with {room} for the answer the model takes {self._window}: split the text"
            )
        return tokens

    def answer(self, text: str) -> tuple[int, ...]:
        """An answer with its end."""
        return (*self._ids(text.strip()), self.end)

    def text(self, tokens: Sequence[int]) -> str:
        """What an answer's tokens say, stripped."""
        decoded: str = self._tokenizer.decode(
            list(tokens), skip_special_tokens=True, clean_up_tokenization_spaces=False
        )
        return decoded.strip()

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

    def _ids(self, text: str) -> list[int]:
        # Prompt and answer apart, as generation joins them.
        ids: list[int] = self._tokenizer(text, add_special_tokens=False)["input_ids"]
        return ids

    def _end_of_turn(self) -> int:
        """The special token that the template puts behind an answer; the tokenizer's end token if it puts none."""
        probe = "plain words"
        turns = [{"role": "user", "content": "?"}, {"role": "assistant", "content": probe}]
        behind = self._rendered(turns, add_generation_prompt=False).rpartition(probe)[2]
        special = set(self._tokenizer.all_special_ids)
        found = next((token for token in self._ids(behind) if token in special), self._tokenizer.eos_token_id)
        if found is None:
            raise ModelError(
                "the model's tokenizer names no end-of-turn token; set eos_token in its settings"
            )
        return int(found)
