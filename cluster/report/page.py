"""The report as one HTML page that loads nothing from anywhere.

Texts by language models are hostile input here. Three walls stand between them and the reader's browser:
jinja2 escapes every value; data for figures is JSON with ``<``, ``>`` and ``&`` as escapes, and its texts
are stripped of plotly's own markup (``figures.label``); and the page's content security policy names its
own two scripts by their hashes, so that no other script runs and nothing is loaded, whatever should get
past the first two.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from cluster.report.figures import (
    Figure,
    gains_figure,
    movement_figure,
    percent,
    pool_figure,
    shade,
    strip_figure,
)
from cluster.report.heatmap import payoff_figure
from cluster.report.views import Negotiation, RunView, by_category, by_culture, median_rounds

TEMPLATES = Path(__file__).parent / "templates"

BYTES_PER_NEGOTIATION = 120_000
"""What a negotiation of two cultures with four rounds may add to the page, beside some 5 MB of plotly.js."""


def render(run: RunView) -> str:
    """The whole page."""
    figures = [topic_figures(item) for item in run.negotiations]
    overview = {
        "culture": strip_figure(run.negotiations, "culture"),
        "category": strip_figure(run.negotiations, "category"),
    }
    plotly, script = plotly_source(), own_file("report.js")
    return (
        template_environment(TEMPLATES)
        .get_template("report.html.j2")
        .render(
            run=run,
            title=title(run),
            several=len({item.cultures for item in run.negotiations}) > 1,
            standfirst=standfirst(run),
            tiles=tiles(run),
            cultures=by_culture(run.negotiations),
            categories=by_category(run.negotiations),
            overview=overview,
            overview_json=script_json({f"overview-{name}": spec for name, spec in overview.items()}),
            figures=figures,
            figures_json=[
                script_json({f"{item.anchor}-{name}": spec for name, spec in specs.items()})
                for item, specs in zip(run.negotiations, figures, strict=True)
            ],
            provenance=provenance(run),
            metrics=list(_flat(run.metrics)),
            style=Markup(own_file("style.css")),  # noqa: S704 our own file, no input in it
            plotly=Markup(plotly),  # noqa: S704 the installed library, no input in it
            script=Markup(script),  # noqa: S704 our own file, no input in it
            policy=policy(plotly, script),
        )
    )


def topic_figures(item: Negotiation) -> dict[str, Figure]:
    """Every figure of a negotiation, by the end of its id on the page."""
    found = {f"pool-{side.index}": pool_figure(item, side.index) for side in item.sides}
    for pair in item.payoffs:
        other = pair.column if pair.payee == pair.row else pair.row
        found[f"payoff-{pair.payee}-{other}"] = payoff_figure(item, pair)
    found["gains"] = gains_figure(item)
    found["movement"] = movement_figure(item)
    return found


def policy(*scripts: str) -> str:
    """A content security policy under which only these inline scripts run and nothing is loaded.

    Styles stay free, since plotly writes its own; ``data:`` and ``blob:`` images are what it draws with.
    """
    hashes = " ".join(
        f"'sha256-{base64.b64encode(hashlib.sha256(s.encode()).digest()).decode()}'" for s in scripts
    )
    return (
        f"default-src 'none'; script-src {hashes}; style-src 'unsafe-inline'; img-src data: blob:;"
        " base-uri 'none'; form-action 'none'"
    )


def script_json(value: Any) -> Markup:
    """JSON that may stand in a script element: no text in it can end the element or begin markup.

    >>> shown = script_json({"a": "</script>"})
    >>> "<" in shown, json.loads(shown)
    (False, {'a': '</script>'})
    """
    text = json.dumps(value, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(text)  # noqa: S704 every character that means something in markup was replaced above


def title(run: RunView) -> str:
    """The cultures if they are the same throughout, else the run's name."""
    if len(run.negotiations) == 1 and not run.failures:
        item = run.negotiations[0]
        return " and ".join(side.name for side in item.sides) if len(item.sides) == 2 else item.cultures
    tables = {item.cultures for item in run.negotiations}
    if len(tables) == 1:
        names = [side.name for side in run.negotiations[0].sides]
        return ", ".join(names[:-1]) + f" and {names[-1]}"
    return f"Run {run.name}"


def standfirst(run: RunView) -> str:
    """The run in one sentence."""
    count, failed = len(run.negotiations), len(run.failures)
    beside = _beside(run.others)
    if run.finished is not None:
        beside = f" These are {count} of the {run.finished} that finished, drawn evenly; metrics.json has all.{beside}"
    if not count:
        return f"No negotiation finished{' as a game' if beside else ''}; {failed} failed.{beside}"
    converged = sum(item.converged for item in run.negotiations)
    opened, closed = (
        sum(getattr(item, name) for item in run.negotiations) / count
        for name in ("gap_opening", "gap_consensus")
    )
    finished = "One question was" if count == 1 else f"{count} questions were"
    if count == 1:
        outcome = "It converged" if converged else "It did not converge"
    else:
        share = {0: "None", count: "All"}.get(converged, str(converged))
        outcome = f"{share} converged"
    change = "fell" if closed < opened else "rose"
    return (
        f"{finished} negotiated as a game between language models that speak for cultural regions. {outcome}"
        f"{f', {failed} failed' if failed else ''}; the mean distance between the sides' statements {change}"
        f" from {number(opened)} to {number(closed)}.{beside}"
    )


def _beside(others: Mapping[str, int]) -> str:
    """What else the run holds, as a sentence; nothing if it is of the game alone.

    >>> _beside({"debate": 3, "mediator": 1})
    ' The run also holds 3 by debate and 1 by mediator, which this page does not show.'
    """
    counts = [f"{count} by {method}" for method, count in others.items()]
    if not counts:
        return ""
    listed = " and ".join(filter(None, (", ".join(counts[:-1]), counts[-1])))
    return f" The run also holds {listed}, which this page does not show."


def tiles(run: RunView) -> list[dict[str, str]]:
    """The figures at the top."""
    items = run.negotiations
    planned = run.metrics.get("planned")
    more = sum(run.others.values())
    part = isinstance(planned, int) and planned > len(items) + more + len(run.failures)
    notes = [f"{more} by other methods" if more else "", f"of {planned} planned" if part and not more else ""]
    found = [
        ("Negotiations", str(len(items)), "; ".join([*filter(None, notes), f"{len(run.failures)} failed"]))
    ]
    if items:
        converged = sum(item.converged for item in items)
        rounds = median_rounds(items)
        found += [
            ("Converged", f"{converged} of {len(items)}", ""),
            (
                "Median rounds",
                number(rounds, 1).removesuffix(".0"),
                f"most {max(len(item.rounds) for item in items)}",
            ),
            ("Largest NashConv", tiny(max(item.nash_conv for item in items)), "0 is an exact equilibrium"),
            (
                "Malformed replies",
                str(sum(item.malformed for item in items)),
                _rate(run.metrics.get("malformed_rate")),
            ),
        ]
    speed = run.metrics.get("tokens_per_s")
    if isinstance(speed, (int, float)):
        seconds = run.metrics.get("seconds")
        note = f"{seconds:,.0f} s in all" if isinstance(seconds, (int, float)) else ""
        found.append(("Tokens a second", f"{speed:,.0f}", note))
    return [{"name": name, "value": value, "note": note} for name, value, note in found]


def _rate(value: Any) -> str:
    return f"{value:.1%} of all replies" if isinstance(value, (int, float)) else "thrown away, asked again"


def outcome(item: Negotiation) -> str:
    """What came of a negotiation, in two sentences."""
    count = len(item.rounds)
    rounds = f"{count} round{'' if count == 1 else 's'}"
    reasons = {
        "equilibrium": f"Converged after {rounds}: no side found a guideline that gains {item.epsilon:g}.",
        "round-limit": f"Not converged: the limit of {rounds} was reached.",
        "solver-tolerance": f"Not converged: nobody gained after {rounds}, but NashConv is too large.",
    }
    change = "closer than" if item.gap_consensus < item.gap_opening else "farther apart than"
    reason = reasons.get(item.stop_reason, item.stop_reason)
    return (
        f"{reason} The sides' statements stood {number(item.gap_opening)}"
        f" apart at the opening and {number(item.gap_consensus)} at the consensus, {change} before."
    )


def provenance(run: RunView) -> list[tuple[str, str]]:
    """Where the run came from: what records say of models and seeds, and the versions that made this page."""
    values: dict[str, set[str]] = {}
    for item in run.negotiations:
        for name, value in {**item.provenance, "solver": item.solver}.items():
            values.setdefault(name, set()).add(value)
    said = [(name, ", ".join(sorted(found))) for name, found in sorted(values.items())]
    return [
        ("run", run.name),
        *said,
        *((f"{name}, this page", value) for name, value in run.versions.items()),
    ]


def _flat(tree: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """Nested metrics as lines, names joined by dots; lists are left out, since they repeat the table."""
    lines: list[tuple[str, str]] = []
    for name, value in tree.items():
        path = f"{prefix}{name}"
        if isinstance(value, Mapping):
            lines += _flat(value, f"{path}.")
        elif not isinstance(value, list):
            lines.append(
                (path, f"{value:,.6g}" if isinstance(value, float) else json.dumps(value, ensure_ascii=False))
            )
    return lines


def number(value: float | None, decimals: int = 3) -> str:
    """A number for people, with a true minus sign; nothing for None.

    >>> [number(0.12345), number(-0.00001), number(None)]
    ['0.123', '0.000', '']
    """
    if value is None:
        return ""
    text = f"{value:.{decimals}f}"
    return text.lstrip("-") if not float(text) else text.replace("-", "\u2212")


def tiny(value: float) -> str:
    """A number that may be very near to nothing.

    >>> [tiny(0.0), tiny(0.0123), tiny(2.2e-16).isascii()]
    ['0', '0.0123', False]
    """
    text = "0" if value == 0 else f"{value:.1e}" if abs(value) < 1e-3 else f"{value:.4f}"
    return text.replace("-", "\u2212")


def cut(text: str, width: int) -> str:
    """A text of at most ``width`` characters, cut with an ellipsis."""
    return text if len(text) <= width else f"{text[: width - 1].rstrip()}\u2026"


def template_environment(*folders: Path) -> Environment:
    """Templates of some folders, the first that has one, with the filters that pages use."""
    environment = Environment(
        loader=FileSystemLoader(folders),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(num=number, tiny=tiny, cut=cut, percent=percent, outcome=outcome)
    environment.globals["shade"] = shade
    return environment


def own_file(name: str) -> str:
    """A file of ours that goes into pages, such as the style sheet."""
    return (TEMPLATES / name).read_text(encoding="utf-8")


def plotly_source() -> str:
    """plotly.js as the plotly package brings it; newlines as a browser sees them, as it is hashed."""
    source = (files("plotly") / "package_data" / "plotly.min.js").read_text(encoding="utf-8")
    return source.replace("\r\n", "\n")
