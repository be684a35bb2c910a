"""Cultures as one HTML page that loads nothing from anywhere, in the manner of the report (see ``cluster.report.page``)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from markupsafe import Markup

from agents.survey.profile import MAP_AXES
from agents.values import SCHWARTZ_VALUES
from cluster.culture.figures import map_figure, places_figure, radar_figure, scores_figure
from cluster.culture.palette import style_sheet
from cluster.culture.subjects import Subject, cited, country_name
from cluster.report import page as report_page
from cluster.report.figures import Figure
from cluster.report.page import own_file, plotly_source, policy, script_json, template_environment

TEMPLATES = Path(__file__).parent / "templates"

MOST_NAMED = 4
"""More cultures than this are not named in the title."""


def subjects_page(subjects: Sequence[Subject], regions: Sequence[Subject]) -> str:
    """Some cultures side by side: figures, numbers, sources; with the regions behind them on the map."""
    names = [subject.name for subject in subjects]
    figures: dict[str, Figure] = {}
    if any(subject.valued for subject in subjects):
        figures |= {"radar": radar_figure(subjects), "scores": scores_figure(subjects)}
    if any(subject.placed for subject in subjects):
        figures["places"] = places_figure(subjects, regions)
    listed = " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))
    title = listed if len(names) <= MOST_NAMED else f"{len(names)} cultures"
    standfirst = f"What surveys found about the values of {'its' if len(names) == 1 else 'their'} people."
    return _render(title, standfirst, figures, subjects)


def map_page(placed: Sequence[Subject]) -> str:
    """The Inglehart-Welzel map, with a table of all cultures on it."""
    standfirst = (
        f"{len(placed)} regions and countries between survival and self-expression values, and between traditional and"
        " secular-rational values."
    )
    return _render("The Inglehart-Welzel cultural map", standfirst, {"map": map_figure(placed)}, placed)


def _render(title: str, standfirst: str, figures: Mapping[str, Figure], subjects: Sequence[Subject]) -> str:
    plotly, script = plotly_source(), own_file("report.js")
    context: dict[str, Any] = {
        "title": title,
        "standfirst": standfirst,
        "figures": figures,
        "figures_json": script_json(figures),
        "subjects": subjects,
        "cited": cited(subjects),
        "values": SCHWARTZ_VALUES,
        "axes": MAP_AXES,
        "style": Markup(own_file("style.css") + style_sheet()),  # noqa: S704 our own files, no input in it
        "plotly": Markup(plotly),  # noqa: S704 the installed library, no input in it
        "script": Markup(script),  # noqa: S704 our own file, no input in it
        "policy": policy(plotly, script),
    }
    environment = template_environment(TEMPLATES, report_page.TEMPLATES)
    environment.filters["country"] = country_name
    return environment.get_template("culture.html.j2").render(context)
