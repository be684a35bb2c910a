"""A contested question that cultures negotiate."""

from __future__ import annotations

from dataclasses import dataclass

from negotiation.errors import TopicError

MAX_TOPIC_CHARS = 2000
"""Longest topic text accepted, in characters: prompts carry the topic whole, several times a round."""


@dataclass(frozen=True, slots=True)
class Topic:
    """A contested question.

    Attributes:
        id: unique within a run; random streams are derived from it, so it must not depend on the order of
            work.
        text: the question itself, at most ``MAX_TOPIC_CHARS`` characters.
        category: one word or phrase to group results by.

    Raises:
        TopicError: if the id or the text is empty, or the text is too long.

    Example:
        >>> Topic(id="t1", text="Should voting be a duty?").category
        'uncategorised'
    """

    id: str
    text: str
    category: str = "uncategorised"

    def __post_init__(self) -> None:
        if not self.id.strip():
            raise TopicError(f"topic id is empty (text: {self.text[:40]!r}); give every topic an id")
        if not self.text.strip():
            raise TopicError(f"topic {self.id!r}: text is empty; write the question to be negotiated")
        if len(self.text) > MAX_TOPIC_CHARS:
            raise TopicError(
                f"topic {self.id!r}: text has {len(self.text):,} characters;"
                f" shorten it to at most {MAX_TOPIC_CHARS:,}"
            )
        if not self.category.strip():
            raise TopicError(f"topic {self.id!r}: category is empty; name one or leave the field out")
