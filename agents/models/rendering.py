"""Dialogues as token ids, the same for every model that this machine computes or trains."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from agents.models.protocol import Message
from negotiation.errors import ModelError


def dialogue_ids(
    tokenizer: Any, messages: Sequence[Message], options: Mapping[str, Any], place: int, model: str
) -> list[int]:
    """Token ids of a dialogue up to the place where the assistant's turn begins.

    Args:
        tokenizer: of transformers, with a chat template.
        messages: the dialogue.
        options: variables for the template.
        place: of the request in its call, for messages.
        model: its name, for messages.

    Raises:
        ModelError: if the template refuses the dialogue.
    """
    whose = f"request {place}: the chat template of {model!r}"
    return token_ids(tokenizer, rendered(tokenizer, messages, options, whose, answer_follows=True))


def text_ids(tokenizer: Any, text: str, place: int) -> list[int]:
    """Token ids of a text as it follows a dialogue.

    Raises:
        ModelError: if it has none.
    """
    ids = token_ids(tokenizer, text)
    if not ids:
        raise ModelError(f"request {place}: text {text!r} has no tokens; score another")
    return ids


def token_ids(tokenizer: Any, text: str) -> list[int]:
    """Token ids of a text, with nothing added."""
    ids: list[int] = tokenizer(text, add_special_tokens=False)["input_ids"]
    return ids


def rendered(
    tokenizer: Any,
    messages: Sequence[Message],
    options: Mapping[str, Any],
    whose: str,
    *,
    answer_follows: bool,
) -> str:
    """A dialogue as its model's chat template writes it.

    Args:
        tokenizer: of transformers, with a chat template.
        messages: the dialogue.
        options: variables for the template.
        whose: template it is, for messages.
        answer_follows: end where the assistant's turn begins.

    Raises:
        ModelError: if the template refuses the dialogue.
    """
    turns = [{"role": message.role, "content": message.content} for message in messages]
    try:
        text: str = tokenizer.apply_chat_template(
            turns, tokenize=False, add_generation_prompt=answer_follows, **options
        )
    except Exception as error:
        # A template may refuse a dialogue, say one with a system turn, with an error of its own.
        raise ModelError(
            f"{whose} refuses the dialogue ({error}); use a model whose template takes system and user turns"
        ) from error
    return text
