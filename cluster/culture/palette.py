"""Colours and marks of cultures: by region on the map, by turn where a few are compared.

The hues are those of Paul Tol's scheme "muted" (personal.sron.nl/~pault), which people with any colour vision can tell apart;
three are darkened so that lines of them show on white. Each has a mark of its own as well, for print without colour.
"""

from __future__ import annotations

LIGHT = ("#332288", "#cc5570", "#2f9a8a", "#8a8a22", "#882255", "#3a94c4", "#117733", "#aa4499")
"""On a white ground, in the order of the eight regions."""

DARK = ("#9d93ee", "#f08a9c", "#5fd0be", "#d6c86a", "#e07fae", "#88ccee", "#62bb80", "#d989cc")
"""The same on a dark ground."""

MARKS = ("o", "s", "^", "D", "v", "P", "X", "*")
"""Marks as matplotlib names them."""

MARK_SCALE = (1.0, 0.92, 1.1, 0.86, 1.1, 1.12, 1.12, 1.5)
"""What a mark's size is multiplied by, so that all look equally large."""

SYMBOLS = ("circle", "square", "triangle-up", "diamond", "triangle-down", "cross", "x", "star")
"""The same marks as plotly names them."""

MOST = len(LIGHT)
"""How many cultures can be told apart in one picture."""

MOST_FILLED = 3
"""More cultures than this on a radar are drawn as lines alone, which lie over each other more clearly."""


def style_sheet() -> str:
    """The colours as the CSS custom properties ``--p0`` to ``--p7`` that figures name."""
    return "".join(
        f"{start}:root{{{''.join(f'--p{place}:{hue};' for place, hue in enumerate(hues))}}}{end}"
        for start, hues, end in (
            ("", LIGHT, ""),
            ("@media screen and (prefers-color-scheme:dark){", DARK, "}"),
        )
    )
