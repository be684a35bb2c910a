"""What ``concordat culture profile`` does: a survey file read to profiles."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from agents.cultures import load_cultures
from agents.survey.build import SurveySettings, build_profiles
from agents.survey.profile import HOFSTEDE_DIMENSIONS, CultureProfile, MapAxes, save_profiles
from cluster.console import OK, Output
from cluster.settings import validate
from negotiation.errors import ConfigurationError, CultureError


def profile(
    survey: Path,
    out: Path,
    countries: Sequence[str],
    weighted: bool,
    vsm_constants: Sequence[str],
    output: Output,
) -> int:
    """Read, keep, and tell what was found.

    Raises:
        CultureError: if the file cannot be read as a survey, naming line or row, or constants are given for Hofstede's dimensions
            and it has none.
        ConfigurationError: if ``out`` cannot be written, or a constant is no DIMENSION=NUMBER.
    """
    from rich.progress import Progress

    tree = {"countries": tuple(countries), "weighted": weighted, "hofstede": _constants(vsm_constants)}
    settings = validate(SurveySettings, tree, "settings (flags)")
    axes: list[MapAxes] = []
    with Progress(console=output.side_console, transient=True) as bars:
        bar = bars.add_task("", total=1.0)
        found = build_profiles(
            survey,
            settings,
            progress=lambda what, share: bars.update(bar, description=what, completed=share),
            axes_told=axes.append,
        )
    dimensioned = any(one.hofstede for one in found.values())
    if vsm_constants and not dimensioned:
        raise CultureError(
            f"--vsm-constants: survey {survey} has no answers to the Values Survey Module, so nothing to add them to;"
            " leave the flag out"
        )
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        save_profiles(found, out, next(iter(axes), None), settings.hofstede if dimensioned else None)
    except OSError as error:
        raise ConfigurationError(f"--out {out}: {error.strerror}; name a file that can be written") from error
    if output.as_json:
        output.result({"out": str(out), "profiles": {name: _counts(found[name]) for name in found}})
    else:
        _print(found, out, output)
    return OK


def _constants(given: Sequence[str]) -> dict[str, str]:
    """Constants by dimension out of texts DIMENSION=NUMBER."""
    constants: dict[str, str] = {}
    for text in given:
        name, equals, number = text.partition("=")
        if not equals or name not in HOFSTEDE_DIMENSIONS or name in constants:
            raise ConfigurationError(
                f"--vsm-constants {text}: give DIMENSION=NUMBER, once for each of {', '.join(HOFSTEDE_DIMENSIONS)}"
                " that is to have one"
            )
        constants[name] = number
    return constants


def _counts(found: CultureProfile) -> dict[str, int | bool]:
    return {
        "countries": len(found.countries),
        "answers": len(found.answers),
        "schwartz": bool(found.schwartz),
        "culture_map": bool(found.culture_map),
        "hofstede": bool(found.hofstede),
    }


def _print(found: Mapping[str, CultureProfile], out: Path, output: Output) -> None:
    from rich.table import Table

    regions = {culture.id for culture in load_cultures()}
    table = Table("region", "countries", "items", "values", "map", "Hofstede", box=None, pad_edge=False)
    for name, one in found.items():
        if name in regions:
            counts = _counts(one)
            marks = ["yes" if counts[part] else "-" for part in ("schwartz", "culture_map", "hofstede")]
            table.add_row(name, str(counts["countries"]), str(counts["answers"]), *marks)
    output.table_console.print(table)
    single = sum(name not in regions for name in found)
    output.table_console.print(
        f"{single} countries. Written: {out}", soft_wrap=True, highlight=False, markup=False
    )
