"""Cultures in the terminal: scores as bars, places on the map, sources."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from agents.survey.profile import MAP_AXES, Figure
from agents.values import SCHWARTZ_VALUES
from cluster.culture.subjects import Subject, country_name

HALF_WIDTH = 6
"""Characters of a bar on each side of nothing."""

HALF_RANGE = 2.0
"""Points of the scale that such a half stands for; no more than that is seen between cultures."""

_COLUMN = 2 * HALF_WIDTH + 1 + 13 + 3
_STYLES = ("blue", "red", "cyan", "yellow", "magenta", "bright_blue", "green", "bright_magenta")


def print_subjects(subjects: Sequence[Subject], console: Console) -> None:
    """Descriptions, scores with their standard errors side by side, places, sources."""
    for subject in subjects:
        _print_head(subject, console)
    valued = [subject for subject in subjects if subject.valued]
    if valued:
        console.print(
            "Values: points of the six-point scale, around each person's mean; to the right is more important"
            " (± standard error)",
            style="dim",
        )
    # As many columns as the terminal has room for, then the next ones below.
    fit = max(1, (console.width - 15) // _COLUMN)
    for start in range(0, len(valued), fit):
        console.print(_values_table(valued[start : start + fit], start))
        console.print()
    placed = [subject for subject in subjects if subject.placed]
    if placed:
        console.print(map_table(placed))
        console.print()
    _print_sources(subjects, console)


def map_table(subjects: Sequence[Subject], countries: Mapping[str, int] | None = None) -> Table:
    """Places on the Inglehart-Welzel map; with the number of countries on it by region, if given."""
    table = Table("culture", box=None, pad_edge=False, header_style="bold")
    table.add_column("secular-rational", justify="right")
    table.add_column("self-expression", justify="right")
    if countries:
        table.add_column("countries", justify="right")
    for subject in subjects:
        assert subject.profile is not None
        cells = [_measured(subject.profile.culture_map[axis]) for axis in MAP_AXES]
        if countries:
            cells.append(str(countries.get(subject.id, "")))
        table.add_row(Text(subject.name), *cells)
    return table


def bar(score: float) -> str:
    """A score as a bar from the middle, to the left below nothing and to the right above, in half characters.

    >>> bar(1.0), bar(-0.5), bar(0.0)
    ('      │███   ', '    ▐█│      ', '      │      ')
    """
    halves = min(2 * HALF_WIDTH, round(abs(score) / HALF_RANGE * 2 * HALF_WIDTH))
    full, half = divmod(halves, 2)
    if score < 0:
        return ("▐" * half + "█" * full).rjust(HALF_WIDTH) + "│" + " " * HALF_WIDTH
    return " " * HALF_WIDTH + "│" + ("█" * full + "▌" * half).ljust(HALF_WIDTH)


def signed(value: float) -> str:
    """A number with its sign, two decimals, and a true minus.

    >>> [signed(value) for value in (0.125, -0.5, -0.001)]
    ['+0.12', '−0.50', '0.00']
    """  # noqa: RUF002 the true minus sign is what is meant
    text = f"{value:+.2f}"
    return text[1:] if not float(text) else text.replace("-", "\u2212")


def _measured(figure: Figure) -> str:
    """A number with its standard error, in 11 characters."""
    error = "" if figure.standard_error is None else f"±{figure.standard_error:.2f}"
    return f"{signed(figure.value):>5} {error:<5}"


def _values_table(subjects: Sequence[Subject], start: int) -> Table:
    table = Table("value", box=None, pad_edge=False, header_style="bold")
    for subject in subjects:
        table.add_column(Text(subject.name), no_wrap=True)
    for name in SCHWARTZ_VALUES:
        cells = []
        for place, subject in enumerate(subjects, start=start):
            assert subject.profile is not None
            figure = subject.profile.schwartz[name]
            cells.append(
                Text.assemble((bar(figure.value), _STYLES[place % len(_STYLES)]), f" {_measured(figure)}")
            )
        table.add_row(name, *cells)
    return table


def _print_head(subject: Subject, console: Console) -> None:
    console.print(Text(subject.name, style="bold"))
    if subject.description:
        console.print(Text(subject.description[0].upper() + subject.description[1:]))
    if subject.countries and subject.countries != (subject.id,):
        names = ", ".join(country_name(code) for code in subject.countries)
        console.print(Text(f"{len(subject.countries)} countries: {names}."))
    if not (subject.valued or subject.placed):
        console.print(Text("No survey figures.", style="dim"))
    elif not subject.valued:
        console.print(Text("No values: its surveys did not ask all ten.", style="dim"))
    console.print()


def _print_sources(subjects: Sequence[Subject], console: Console) -> None:
    lines = [(subject, *pair) for subject in subjects for pair in subject.sources()]
    if lines:
        console.print("Sources", style="bold")
    for subject, what, source in lines:
        said = f"{subject.name}, {what}: {source}"
        console.print(Text(textwrap.fill(said, console.width, subsequent_indent="  ")), style="dim")
