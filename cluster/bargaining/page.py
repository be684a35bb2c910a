"""A bargaining as one HTML page that loads nothing from anywhere; built as the report of a run is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from markupsafe import Markup

from cluster.bargaining import figures as draw
from cluster.bargaining.summary import MEASURES, WAYS
from cluster.bargaining.terminal import interval_words
from cluster.report import page as report_page
from cluster.report.figures import Figure
from cluster.report.page import (
    number,
    own_file,
    plotly_source,
    policy,
    script_json,
    template_environment,
    tiny,
)
from cluster.report.source import culture_name, versions

TEMPLATES = Path(__file__).parent / "templates"


def bargaining_page(result: Mapping[str, Any], games: Sequence[Mapping[str, Any]]) -> str:
    """The whole page.

    Args:
        result: of ``cluster.bargaining.summary.summary_of``.
        games: one tree a negotiation.
    """
    found: dict[str, Figure] = {}
    if games:
        found = {
            "conv": draw.nash_conv_figure(games),
            "shares": draw.shares_figure(games),
            "turns": draw.turns_figure(games),
        }
    found |= {
        f"way-{name}": draw.ways_figure(result, name)
        for name in MEASURES
        if any(result["measures"][way][name] for way in WAYS)
    }
    plotly, script = plotly_source(), own_file("report.js")
    environment = template_environment(TEMPLATES, report_page.TEMPLATES)
    environment.filters.update(culture=culture_name, words=interval_words)
    context = {
        "result": result,
        "games": games,
        "figures": found,
        "figures_json": script_json(found),
        "measures": MEASURES,
        "ways": WAYS,
        "turns": draw.turn_shares(games) if games else ([], [], 0.0),
        "tiles": tiles(result),
        "curves": draw.curves(games, "nash_conv").tolist() if games else [],
        "provenance": provenance(result),
        "style": Markup(own_file("style.css")),  # noqa: S704 our own file, no input in it
        "plotly": Markup(plotly),  # noqa: S704 the installed library, no input in it
        "script": Markup(script),  # noqa: S704 our own file, no input in it
        "policy": policy(plotly, script),
    }
    return environment.get_template("bargaining.html.j2").render(context)


def tiles(result: Mapping[str, Any]) -> list[dict[str, str]]:
    """The figures at the top."""
    conv = result["nash_conv"]
    shown = [
        {
            "name": "Negotiations",
            "value": str(result["negotiations"]),
            "note": f"{result['topics']} topics; {len(result['failures'])} failed",
        },
        {
            "name": "Within tolerance",
            "value": str(result["converged"]),
            "note": f"NashConv at most {result['tolerance']:g}; largest {tiny(conv['largest'] or 0.0)}",
        },
    ]
    for name in ("agreement", "efficiency", "nash_product"):
        figure = result["measures"]["bargaining"][name]
        other = result["measures"]["one_shot"][name]
        if figure is not None:
            shown.append(
                {
                    "name": MEASURES[name][0],
                    "value": number(figure["mean"]),
                    "note": f"one-shot consensus {number(other['mean']) if other else 'undefined'}",
                }
            )
    return shown


def provenance(result: Mapping[str, Any]) -> list[tuple[str, str]]:
    """How it was made."""
    lines = [
        ("best responses", str(result["oracle"])),
        ("meta-solver", str(result["solver"])),
        ("seconds of bargaining", f"{result['seconds']:.1f}"),
    ]
    return lines + [(f"{name}, this page", value) for name, value in versions().items()]
