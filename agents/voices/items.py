"""What the making of training text needs to know of a survey item."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol


class SurveyItem(Protocol):
    """One question of a survey with its answer options.

    Attributes:
        id: of the item in its codebook.
        question: the question in plain words, in our paraphrase.
        options: (K options,) labels, in the order of the answer shares.
        category: to group items by.
    """

    @property
    def id(self) -> str:
        """Of the item in its codebook."""
        ...

    @property
    def question(self) -> str:
        """The question in plain words."""
        ...

    @property
    def options(self) -> Sequence[str]:
        """(K options,) labels, in the order of the answer shares."""
        ...

    @property
    def category(self) -> str:
        """To group items by."""
        ...
