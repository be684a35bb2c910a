"""A comparison as tables: on the terminal, as CSV and as LaTeX."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from agents.intervals import Interval
from agents.metrics.catalogue import MEASURES, PARTS, Measure, Part
from agents.metrics.comparison import Difference, Row
from agents.metrics.map_movement import MapMovement
from agents.survey.profile import MAP_AXES
from cluster.comparison.comparison import SIGNIFICANT, Comparison
from cluster.report.source import culture_name

if TYPE_CHECKING:
    from rich.table import Table

ARROWS = {"higher": "\u2191", "lower": "\u2193", "": ""}
"""Which way is better, behind a measure's title."""

PAIRS_SHOWN = 3
"""Pairs of methods side by side on the terminal."""

_LATEX = str.maketrans(
    {sign: f"\\{sign}" for sign in "&%$#_{}"}
    | {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "|": r"\textbar{}"}
)


def shown_measures(rows: Sequence[Row], part: Part) -> list[Measure]:
    """The measures of a part that some row has."""
    return [
        measure
        for measure in MEASURES.values()
        if measure.part == part and any(measure.name in row.figures for row in rows)
    ]


def heading(measure: Measure) -> str:
    """A measure's title with the way that is better."""
    return f"{measure.title} {ARROWS[measure.better]}".strip()


def number(value: float) -> str:
    """Three decimals, one for large numbers; with a sign only where there is one."""
    return f"{value:.3f}" if abs(value) < 100 else f"{value:.1f}"


def interval_range(interval: Interval) -> str:
    """Both ends, short; a single topic has no interval."""
    if interval.units < 2:
        return "one topic"
    digits = 2 if max(abs(interval.low), abs(interval.high)) >= 0.1 else 3
    if max(abs(interval.low), abs(interval.high)) >= 100:
        digits = 0
    return f"{interval.low:.{digits}f}..{interval.high:.{digits}f}"


def rich_tables(found: Comparison) -> list[Table | str]:
    """What the terminal shows: a table a part, methods side by side, then the differences between them, then notes."""
    from rich.table import Table

    overall = found.rows_of("overall")
    tables: list[Table | str] = []
    for part, title in PARTS.items():
        measures = shown_measures(overall, part)
        if not measures:
            continue
        table = _left(Table(title, *(row.method for row in overall), box=None, pad_edge=False))
        for measure in measures:
            cells = [_cell(row.figures.get(measure.name)) for row in overall]
            table.add_row(heading(measure), *cells)
        tables.append(table)
    tables += _differences(found)
    if found.measurement.agreement:
        shown = ", ".join(f"{name} {_maybe(value)}" for name, value in found.measurement.agreement.items())
        tables.append(
            f"Agreement of judges on value labels (Krippendorff's alpha; share where all agree): {shown}"
        )
    tables.append("\n".join(f"{note}." for note in found.notes()))
    tables.append(
        f"{ARROWS['higher']} higher is better, {ARROWS['lower']} lower is. 95% intervals over topics."
    )
    return tables


def _differences(found: Comparison) -> list[Table | str]:
    """Tables of a few pairs of methods each, so that 80 columns hold them."""
    from rich.table import Table

    pairs = list(dict.fromkeys((one.method, one.other) for one in found.tests()))
    by_place = {(one.measure, (one.method, one.other)): one for one in found.tests()}
    tables: list[Table | str] = []
    for start in range(0, len(pairs), PAIRS_SHOWN):
        shown = pairs[start : start + PAIRS_SHOWN]
        heads = [f"{method}\n- {other}" for method, other in shown]
        table = _left(Table("Difference", *heads, box=None, pad_edge=False))
        for measure in MEASURES.values():
            cells = [by_place.get((measure.name, pair)) for pair in shown]
            if any(cells):
                table.add_row(heading(measure), *(_difference(cell) for cell in cells))
        tables.append(table)
    if tables:
        tables.append(f"* p < {SIGNIFICANT:g} after Holm's correction for {len(found.tests())} tests")
    return tables


def _difference(one: Difference | None) -> str:
    if one is None:
        return "-"
    return f"{one.interval.estimate:+.3f}{'*' if one.adjusted < SIGNIFICANT else ''}"


def _left(table: Table) -> Table:
    for column in table.columns[1:]:
        column.justify = "right"
    return table


def _cell(interval: Interval | None) -> str:
    return "-" if interval is None else f"{number(interval.estimate)}\n{interval_range(interval)}"


def _maybe(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.3f}"


def measures_csv(rows: Sequence[Row], part: Part) -> str:
    """One line a group, method and measure of a part."""
    lines: list[list[Any]] = []
    for row in rows:
        for measure in shown_measures(rows, part):
            interval = row.figures.get(measure.name)
            figures = ["", "", "", ""] if interval is None else [*_digits(interval), interval.units]
            missing = row.missing.get(measure.name, 0)
            lines.append([row.kind, row.group, row.method, row.negotiations, measure.name, *figures, missing])
    head = [
        "kind",
        "group",
        "method",
        "negotiations",
        "measure",
        "estimate",
        "low",
        "high",
        "topics",
        "missing",
    ]
    return csv_text(head, lines)


def differences_csv(differences: Sequence[Difference]) -> str:
    """One line a group, pair of methods and measure."""
    lines = [
        [
            one.kind,
            one.group,
            one.method,
            one.other,
            one.measure,
            *_digits(one.interval),
            f"{one.p_value:.6g}",
            f"{one.adjusted:.6g}",
            one.interval.units,
            one.common,
            one.left_out,
        ]
        for one in differences
    ]
    head = ["kind", "group", "method", "other", "measure", "difference", "low", "high", "p", "p_holm"]
    return csv_text([*head, "topics", "common", "left_out"], lines)


def negotiations_csv(found: Comparison) -> str:
    """One line a negotiation with all its figures; blank where one is missing or makes no sense."""
    names = [name for name, measure in MEASURES.items() if measure.ratio is None]
    lines = [
        [one.method, one.topic_id, one.category, "/".join(one.players), "" if one.seed is None else one.seed]
        + [_blank(one.figures.get(name)) for name in names]
        for one in found.measured
    ]
    return csv_text(["method", "topic", "category", "players", "seed", *names], lines)


def movements_csv(movements: Sequence[MapMovement]) -> str:
    """One line a culture and method: movement on the map's axes with its interval."""
    head = ["culture", "method", "negotiations"]
    head += [f"{axis}{end}" for axis in MAP_AXES for end in ("", "_low", "_high")]
    lines = [
        [one.culture, one.method, one.negotiations, *(text for axis in MAP_AXES for text in _digits(one.axes[axis]))]
        for one in movements
    ]  # fmt: skip
    return csv_text(head, lines)


def movements_latex(movements: Sequence[MapMovement]) -> str:
    """The same as a tabular."""
    lines = [
        [latex(culture_name(one.culture)), latex(one.method), str(one.negotiations)]
        + [f"{number(one.axes[axis].estimate)} {interval_range(one.axes[axis])}" for axis in MAP_AXES]
        for one in movements
    ]
    head = ["culture", "method", "negotiations", "secular-rational", "self-expression"]
    return latex_text(head, lines, left="ll")


def csv_text(head: Sequence[str], lines: Iterable[Sequence[Any]]) -> str:
    """A CSV file's text."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(head)
    writer.writerows(lines)
    return text.getvalue()


def _digits(interval: Interval) -> list[str]:
    return [f"{value:.6g}" for value in (interval.estimate, interval.low, interval.high)]


def _blank(value: float | None) -> str:
    return "" if value is None else f"{value:.6g}"


def measures_latex(rows: Sequence[Row], part: Part) -> str:
    """A table for the package ``booktabs``: measures down, methods across, intervals small and below."""
    overall = [row for row in rows if row.kind == "overall"]
    lines = []
    for measure in shown_measures(overall, part):
        cells = [row.figures.get(measure.name) for row in overall]
        lines.append(
            [latex(measure.title), *("--" if cell is None else number(cell.estimate) for cell in cells)]
        )
        small = ("" if cell is None else rf"{{\scriptsize {interval_range(cell)}}}" for cell in cells)
        lines.append(["", *small])
    return latex_text(["", *(latex(row.method) for row in overall)], lines)


def differences_latex(differences: Sequence[Difference]) -> str:
    """A table for the package ``booktabs``: one line a pair of methods and measure."""
    lines = [
        [
            latex(f"{one.method} - {one.other}"),
            latex(MEASURES[one.measure].title),
            f"${one.interval.estimate:+.3f}$",
            f"[{one.interval.low:.3f}, {one.interval.high:.3f}]",
            _p(one.p_value),
            _p(one.adjusted),
        ]
        for one in differences
        if one.kind == "overall"
    ]
    return latex_text(
        ["methods", "measure", "difference", "95\\% interval", "$p$", "$p$ (Holm)"], lines, "ll"
    )


def latex_text(head: Sequence[str], lines: Iterable[Sequence[str]], left: str = "l") -> str:
    """A tabular's text; the cells are LaTeX already."""
    columns = left + "r" * (len(head) - len(left))
    body = [rf"\begin{{tabular}}{{{columns}}}", r"\toprule", " & ".join(head) + r" \\", r"\midrule"]
    body += [" & ".join(line) + r" \\" for line in lines]
    return "\n".join([*body, r"\bottomrule", r"\end{tabular}"]) + "\n"


def latex(text: str) -> str:
    """A text with LaTeX's signs escaped.

    >>> latex("a_b & 5%") == chr(92).join(["a", "_b ", "& 5", "%"])
    True
    """
    return text.translate(_LATEX)


def _p(value: float) -> str:
    return "$<$0.001" if value < 0.001 else f"{value:.3f}"
