"""A comparison as one HTML page that loads nothing from anywhere, in the manner of the report (see ``cluster.report.page``)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from markupsafe import Markup

from agents.metrics.catalogue import MEASURES, PARTS
from agents.metrics.comparison import Difference
from agents.metrics.labels import SIGN_CUT
from agents.metrics.map_movement import shipped_value_map
from agents.values import SCHWARTZ_VALUES
from cluster.comparison.comparison import SIGNIFICANT, Comparison
from cluster.comparison.figures import (
    concessions,
    interval_figure,
    map_figure,
    plane_figure,
    radar_figure,
    value_means,
)
from cluster.comparison.picture import plane_points
from cluster.comparison.tables import heading, interval_range, number, shown_measures
from cluster.culture.palette import style_sheet
from cluster.report import page as report_page
from cluster.report.figures import Figure
from cluster.report.page import own_file, plotly_source, policy, script_json, template_environment
from cluster.report.source import culture_name, versions

TEMPLATES = Path(__file__).parent / "templates"

KEY_MEASURES = (
    "gap_closed",
    "imbalance",
    "nash_product",
    "value_consistency",
    "log_ppl_drop",
    "ppl_distance_change",
)
"""Drawn with their intervals at the top of the page."""

GROUP_TITLES = {"pair": "By pair", "category": "By category"}


def comparison_page(found: Comparison) -> str:
    """The whole page."""
    plotly, script = plotly_source(), own_file("report.js")
    figures = _figures(found)
    context: dict[str, Any] = {
        "title": title(found),
        "standfirst": standfirst(found),
        "tiles": tiles(found),
        "found": found,
        "figures": figures,
        "figures_json": script_json(figures),
        "tables": {part: shown_measures(found.rows, part) for part in PARTS},
        "parts": PARTS,
        "measures": MEASURES,
        "methods": found.methods,
        "planes": [method for method in found.methods if f"plane-{method}" in figures],
        "keys": [name for name in KEY_MEASURES if f"key-{name}" in figures],
        "radars": _radars(found),
        "values": SCHWARTZ_VALUES,
        "value_map": shipped_value_map() if found.movements else None,
        "concessions": concession_rows(found),
        "groups": [(kind, text) for kind, text in GROUP_TITLES.items() if found.rows_of(kind)],  # type: ignore[arg-type]  # its keys are kinds of groups
        "notes": found.notes(),
        "provenance": provenance(found),
        "significant": SIGNIFICANT,
        "sign_cut": SIGN_CUT,
        "pairs": list(dict.fromkeys((one.method, one.other) for one in found.tests())),
        "difference": _by_place(found.tests()),
        "style": Markup(own_file("style.css") + style_sheet()),  # noqa: S704 our own files, no input in it
        "plotly": Markup(plotly),  # noqa: S704 the installed library, no input in it
        "script": Markup(script),  # noqa: S704 our own file, no input in it
        "policy": policy(plotly, script),
    }
    environment = template_environment(TEMPLATES, report_page.TEMPLATES)
    environment.filters.update(
        measure=number, range=interval_range, heading=heading, culture=culture_name, method=shown_method
    )
    return environment.get_template("comparison.html.j2").render(context)


def _figures(found: Comparison) -> dict[str, Figure]:
    overall = found.rows_of("overall")
    figures: dict[str, Figure] = {
        f"key-{name}": interval_figure(overall, MEASURES[name])
        for name in KEY_MEASURES
        if any(name in row.figures for row in overall)
    }
    for method in found.methods:
        if plane_points(found.measured, method):
            figures[f"plane-{method}"] = plane_figure(found, method)
    if found.movements:
        figures["map"] = map_figure(found)
    for culture in _radars(found):
        figures[f"radar-{culture}"] = radar_figure(found.measured, culture)
    return figures


def _radars(found: Comparison) -> dict[str, Mapping[str, Any]]:
    """Mean values of each culture's statements, of cultures that have any."""
    cultures = sorted({player for one in found.measured for player in one.players})
    means = {culture: value_means(found.measured, culture) for culture in cultures}
    return {culture: mean for culture, mean in means.items() if mean}


def concession_rows(found: Comparison) -> list[tuple[str, str, dict[str, float]]]:
    """Who came how far toward whom: a row a pair of cultures, a mean way a method."""
    rows: dict[tuple[str, str], dict[str, float]] = {}
    for method in found.methods:
        for who, whom, way, _ in concessions(found.measured, method):
            rows.setdefault((who, whom), {})[method] = way
    return [(who, whom, ways) for (who, whom), ways in sorted(rows.items())]


def _by_place(differences: Sequence[Difference]) -> dict[tuple[str, str, str], Difference]:
    return {(one.measure, one.method, one.other): one for one in differences}


def title(found: Comparison) -> str:
    """What is compared."""
    methods = [shown_method(method) for method in found.methods]
    listed = " and ".join(filter(None, [", ".join(methods[:-1]), methods[-1]]))
    return listed[:1].upper() + listed[1:]


def shown_method(method: str) -> str:
    """A method within a sentence."""
    return "PSRO" if method == "psro" else method


def standfirst(found: Comparison) -> str:
    """The comparison in two sentences."""
    topics = len({one.topic_id for one in found.measured})
    pairs = len({one.players for one in found.measured})
    said = (
        f"{len(found.measured)} negotiations on {topics} {'topic' if topics == 1 else 'topics'}, of {pairs}"
        f" {'table' if pairs == 1 else 'different tables'} of cultures, measured by their first and last words."
    )
    tests = found.tests()
    if tests:
        clear = sum(one.adjusted < SIGNIFICANT for one in tests)
        said += f" Of {len(tests)} differences between methods, {clear} are clear of chance after Holm's correction."
    return said


def tiles(found: Comparison) -> list[dict[str, str]]:
    """The figures at the top."""
    shown = [{"name": "Negotiations", "value": str(len(found.measured)), "note": f"{found.failed} failed"}]
    for row in found.rows_of("overall"):
        closed = row.figures["gap_closed"]
        shown.append(
            {
                "name": f"Gap closed, {row.method}",
                "value": number(closed.estimate),
                "note": f"{interval_range(closed)}; {row.negotiations} negotiations",
            }
        )
    return shown


def provenance(found: Comparison) -> list[tuple[str, str]]:
    """Where the figures came from."""
    measurement = found.measurement
    lines = [(f"run {number}", str(source.path)) for number, source in enumerate(found.sources, start=1)]
    lines += [("embedder", measurement.embedder)]
    lines += [("judge of values", judge.judge) for judge in measurement.judges]
    if measurement.model is not None:
        lines.append(("scored by", measurement.model))
        lines.append(("perplexity", found.config.variant))
    lines += [("seed", str(found.config.seed)), ("resamples", f"{found.config.resamples:,}")]
    return lines + [(f"{name}, this page", value) for name, value in versions().items()]
