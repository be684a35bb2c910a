"""Requests and answers as tokens of a model, and tokens as text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from agents.tuning.chat import ChatTokens
from negotiation.errors import TextError
from rewriter.learning.vocabulary import Prompts
from rewriter.prompts import RewritePrompts


class RequestTokens:
    """A model's tokens for the dialogues of requests.

    Args:
        tokenizer: of the model, with a chat template.
        window: of the model, in tokens; None if it has none.
        template_options: variables for the chat template.
        prompts: what requests become dialogues by; the rewriter's shipped set if None.

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
        prompts: Prompts[Any] | None = None,
    ) -> None:
        self._tokenizer = tokenizer
        self._window = window
        self._chat = ChatTokens(tokenizer, template_options)
        self._prompts: Prompts[Any] = RewritePrompts.load() if prompts is None else prompts
        self.end = self._chat.end
        self.pad = self.end if tokenizer.pad_token_id is None else int(tokenizer.pad_token_id)

    def prompt(self, request: Any, room: int = 1) -> tuple[int, ...]:
        """The dialogue of a request, up to where the answer begins.

        Args:
            request: what is asked, of the kind that the prompts take.
            room: tokens that must be left for the answer.

        Raises:
            TextError: if that does not fit the model's window.
        """
        tokens = tuple(self._chat.prompt(self._prompts.messages(request)))
        if self._window is not None and len(tokens) + room > self._window:
            raise TextError(self._prompts.too_long(request, len(tokens), room, self._window))
        return tokens

    def answer(self, text: str) -> tuple[int, ...]:
        """An answer with its end."""
        return (*self._chat.ids(text.strip()), self.end)

    def text(self, tokens: Sequence[int]) -> str:
        """What an answer's tokens say, stripped."""
        decoded: str = self._tokenizer.decode(
            list(tokens), skip_special_tokens=True, clean_up_tokenization_spaces=False
        )
        return decoded.strip()
