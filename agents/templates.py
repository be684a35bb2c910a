"""Templates: text with fields in braces, checked when it is read and filled in one pass.

What is put in is never read as a template again: a topic with braces is only a topic.
"""

from __future__ import annotations

import string
from collections.abc import Mapping
from functools import lru_cache


def fill_template(template: str, values: Mapping[str, str]) -> str:
    """Put values in the place of a template's fields, in one pass: what is put in is never read as a template.

    >>> fill_template("{greeting}, {name}", {"greeting": "{name}", "name": "Ada"})
    '{name}, Ada'
    """
    return "".join(
        literal + ("" if field is None else values[field]) for literal, field in _segments(template)
    )


def template_fields(template: str) -> frozenset[str]:
    """The fields that a template names.

    Raises:
        ValueError: if a brace is unbalanced, or a field has a format, a conversion or no plain name.
    """
    return frozenset(field for _, field in _segments(template) if field is not None)


def one_line(text: str) -> str:
    r"""The text on one line: line breaks and the space around them become one space, the ends are stripped.

    >>> one_line(" first\n  second ")
    'first second'
    """
    return " ".join(filter(None, map(str.strip, text.splitlines())))


@lru_cache(maxsize=256)
def _segments(template: str) -> tuple[tuple[str, str | None], ...]:
    """A template as (text before, field) pairs; the last field is None if text follows the last one.

    Raises:
        ValueError: if a brace is unbalanced, or a field has a format, a conversion or no plain name.
    """
    segments: list[tuple[str, str | None]] = []
    for literal, field, form, conversion in string.Formatter().parse(template):
        if field is not None and (form or conversion or not field.isidentifier()):
            raise ValueError(
                f"field {{{field}}} must be a plain name in braces, without format or conversion"
            )
        segments.append((literal, field))
    return tuple(segments)


def check_template(name: str, template: str, expected: frozenset[str]) -> None:
    """Raise ValueError naming the template unless it can be read and uses exactly the expected fields."""
    try:
        found = template_fields(template)
    except ValueError as error:
        raise ValueError(f"template {name!r}: {error}") from error
    if found != expected:
        raise ValueError(
            f"template {name!r} uses the fields {_listed(found)} and is given {_listed(expected)}; use exactly those"
        )


def _listed(fields: frozenset[str]) -> str:
    return ", ".join(sorted(fields)) or "none"
