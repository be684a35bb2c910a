"""Culture profiles from a survey file: countries from their respondents, regions from their countries."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from agents.cultures import Culture, load_cultures
from agents.survey.codebook import Item, load_items
from agents.survey.countries import find_country
from agents.survey.decode import map_answers, options_of, schwartz_answers, vsm_answers
from agents.survey.distributions import Sample, answer_shares, mean_of_figures, mean_of_shares
from agents.survey.profile import AnswerShares, CultureProfile, Figure, HofstedeConstants, MapAxes
from agents.survey.readers import Progress, Responses, read_responses
from agents.survey.readers_opinions import Opinion, is_opinions, read_opinions
from agents.survey.scores import fit_culture_map, hofstede_figures, schwartz_figures
from agents.values import SCHWARTZ_VALUES
from negotiation.errors import CultureError

EVS_WAVE = 100
"""Added to the number of a wave of the European Values Study."""

AxesTold = Callable[[MapAxes], None]

Part = TypeVar("Part")

logger = logging.getLogger(__name__)


class SurveySettings(BaseModel):
    """How a survey file becomes profiles."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    countries: tuple[str, ...] = Field(
        default=(),
        description="countries to profile, by ISO code, number or English name; all of the file if empty",
    )
    weighted: bool = Field(
        default=True, description="use the survey's weights; false counts each respondent once"
    )
    hofstede: HofstedeConstants = Field(
        default=HofstedeConstants(), description="constants added to Hofstede's dimensions"
    )
    least_map_countries: int = Field(
        default=10,
        ge=2,
        description="countries that a file must have for a culture map: its axes are relative to all people in the file",
    )
    batch_bytes: int = Field(
        default=1 << 20, ge=1 << 10, description="about how much of the file is in memory at a time"
    )


@dataclass(frozen=True, slots=True)
class _Group:
    """The respondents of one country in one wave.

    Attributes:
        rows: (n,) their numbers in the file.
        latest: sorts the waves of a country.
        source: survey, wave and years.
    """

    country: str
    rows: NDArray[np.intp]
    sample: Sample
    latest: tuple[int, int]
    source: str


def build_profiles(
    path: Path,
    settings: SurveySettings | None = None,
    *,
    items: Iterable[Item] | None = None,
    cultures: Sequence[Culture] | None = None,
    progress: Progress | None = None,
    axes_told: AxesTold | None = None,
) -> dict[str, CultureProfile]:
    """Profiles of every region with a country in the file, then of every country, by id.

    A country's figures are weighted over its respondents, with design-based standard errors. Where a file has several waves,
    each figure is of the country's latest wave that has it. A region's figures are means over its countries, each with the
    same weight however many people live in it or were asked; standard errors are propagated.

    Args:
        path: WVS wave 7 or 6, EVS/WVS joint or time-series file (.csv, .sav, .zsav), VSM 2013 answers, or GlobalOpinionQA
            (its CSV, or a folder saved by ``datasets``).
        settings: the defaults if None.
        items: of the codebook; those that ship if None.
        cultures: with their countries; the eight regions if None.
        progress: told of reading and computing.
        axes_told: given the axes of the culture map, if the file has one.

    Raises:
        CultureError: naming file and line or row, if the file cannot be read as one of these, a country asked for is not
            in it, or a country in it has no respondents who count.
    """
    settings = settings or SurveySettings()
    codebook = load_items() if items is None else tuple(items)
    regions = load_cultures() if cultures is None else cultures
    wanted = _wanted(path, settings.countries)
    if is_opinions(path):
        countries = _opinion_profiles(read_opinions(path))
        _check_wanted(path, wanted, countries)
        countries = {name: countries[name] for name in sorted(wanted or countries)}
    else:
        responses = read_responses(
            path, codebook, weighted=settings.weighted, batch_bytes=settings.batch_bytes, progress=progress
        )
        _check_wanted(path, wanted, responses.countries)
        countries = _country_profiles(responses, codebook, settings, wanted, progress, axes_told)
    parts = {
        culture.id: [countries[name] for name in culture.countries if name in countries]
        for culture in regions
    }
    if empty := [culture for culture, own in parts.items() if not own]:
        logger.warning("%s: no country of %s; they get no profile", path, ", ".join(empty))
    profiles = {culture: region_profile(culture, own) for culture, own in parts.items() if own}
    if progress is not None:
        progress("computing", 1.0)
    return {**profiles, **countries}


def region_profile(culture: str, parts: Sequence[CultureProfile]) -> CultureProfile:
    """A region as the mean of its countries, each with the same weight; a figure is over the countries that have it.

    Args:
        culture: id of the region.
        parts: profiles of its countries, at least one.
    """
    answers: dict[str, AnswerShares] = {}
    for item in dict.fromkeys(item for part in parts for item in part.answers):
        shares = [part.answers[item] for part in parts if item in part.answers]
        answers[item] = mean_of_shares(shares, _mean_source([part.source for part in shares]))
    return CultureProfile(
        culture=culture,
        schwartz=_mean_figures([part.schwartz for part in parts]),
        culture_map=_mean_figures([part.culture_map for part in parts]),
        hofstede=_mean_figures([part.hofstede for part in parts]),
        answers=answers,
        countries=tuple(sorted({name for part in parts for name in part.countries})),
    )


def _mean_figures(parts: Sequence[Mapping[str, Figure]]) -> dict[str, Figure]:
    known = [part for part in parts if part]
    if not known:
        return {}
    return {
        name: mean_of_figures(
            [part[name] for part in known], _mean_source([part[name].source for part in known])
        )
        for name in known[0]
    }


def _mean_source(sources: Sequence[str]) -> str:
    number = "1 country" if len(sources) == 1 else f"{len(sources)} countries, each with the same weight"
    return f"mean of {number}: {'; '.join(sorted(set(sources)))}"


def _wanted(path: Path, names: Sequence[str]) -> set[str]:
    wanted: set[str] = set()
    for name in names:
        code = find_country(name)
        if code is None:
            raise CultureError(
                f"survey {path}: countries: {name!r} is no country known here; use an ISO code"
            )
        wanted.add(code)
    return wanted


def _check_wanted(path: Path, wanted: set[str], there: Iterable[str]) -> None:
    if missing := sorted(wanted - set(there)):
        raise CultureError(
            f"survey {path}: no respondents of {', '.join(missing)}; the file has {', '.join(sorted(there))}"
        )


def _country_profiles(
    responses: Responses,
    items: Sequence[Item],
    settings: SurveySettings,
    wanted: set[str],
    progress: Progress | None,
    axes_told: AxesTold | None,
) -> dict[str, CultureProfile]:
    groups = _groups(responses)
    options = [(item, found) for item in items if (found := options_of(responses, item)) is not None]
    # All countries of the file, asked for or not, make the axes of the map.
    places = _map_figures(responses, groups, settings.least_map_countries, axes_told)
    schwartz = schwartz_answers(responses)
    vsm = vsm_answers(responses)
    profiles: dict[str, CultureProfile] = {}
    for name, own in groups.items():
        if wanted and name not in wanted:
            continue
        profiles[name] = CultureProfile(
            culture=name,
            schwartz=_latest(own, lambda group: _schwartz(schwartz, group)) or {},
            culture_map=places.get(name, {}),
            hofstede=(
                {}
                if vsm is None
                else hofstede_figures(vsm[own[0].rows], own[0].sample, settings.hofstede, own[0].source)
            ),
            answers=_answers(own, options),
            countries=(name,),
        )
        if profiles[name] == CultureProfile(culture=name, countries=(name,)):
            raise CultureError(
                f"survey {responses.path}: {sum(group.rows.size for group in own):,} respondents of {name}, but none of"
                " them answered anything that is read here; leave the country out"
            )
        if progress is not None:
            progress("computing", len(profiles) / len(groups))
    return profiles


def _groups(responses: Responses) -> dict[str, list[_Group]]:
    """Respondents by country, the latest wave first."""
    order = np.lexsort((responses.wave, responses.country))  # stable: rows keep their order
    keys = responses.country[order].astype(np.int64) * 1000 + responses.wave[order]
    groups: dict[str, list[_Group]] = {}
    for rows in np.split(order, np.flatnonzero(np.diff(keys)) + 1):
        name, wave = responses.countries[responses.country[rows[0]]], int(responses.wave[rows[0]])
        try:
            sample = Sample.of(responses.weight[rows], responses.cluster[rows])
        except CultureError as error:
            raise CultureError(f"survey {responses.path}, country {name}: {error}") from error
        years = responses.year[rows]
        known = years[years > 0]
        source = _survey(responses.layout.survey, wave)
        if known.size:
            first, last = int(known.min()), int(known.max())
            source += f" ({first})" if first == last else f" ({first}-{last})"
        if not responses.weighted:
            source += ", unweighted"
        latest = (int(known.max()) if known.size else 0, wave)
        groups.setdefault(name, []).append(_Group(name, rows, sample, latest, source))
    for own in groups.values():
        own.sort(key=lambda group: group.latest, reverse=True)
    return groups


def _survey(default: str, wave: int) -> str:
    if not wave:
        return default
    if wave > EVS_WAVE:
        return f"European Values Study wave {wave - EVS_WAVE}"
    return f"World Values Survey wave {wave}"


def _latest(groups: Sequence[_Group], of: Callable[[_Group], Part | None]) -> Part | None:
    """What the latest wave that has it gives."""
    for group in groups:
        if found := of(group):
            return found
    return None


def _answers(
    groups: Sequence[_Group], options: Sequence[tuple[Item, NDArray[np.int8]]]
) -> dict[str, AnswerShares]:
    answers: dict[str, AnswerShares] = {}
    for item, chosen in options:

        def shares(
            group: _Group, item: Item = item, chosen: NDArray[np.int8] = chosen
        ) -> AnswerShares | None:
            option = chosen[group.rows].astype(np.intp)
            return answer_shares(item.id, option, len(item.options), group.sample, group.source)

        if (found := _latest(groups, shares)) is not None:
            answers[item.id] = found
    return answers


def _schwartz(
    answers: Mapping[str, tuple[tuple[str, NDArray[np.float64]], ...]], group: _Group
) -> dict[str, Figure]:
    """The ten values; of two items for one, that which was asked in the country."""
    if not answers:
        return {}
    columns, stood_in = [], []
    for value in SCHWARTZ_VALUES:
        for place, (name, column) in enumerate(answers[value]):
            own = column[group.rows]
            if not np.isnan(own).all() or name == answers[value][-1][0]:
                columns.append(own)
                if place:
                    stood_in.append((value, name))
                break
    found = schwartz_figures(np.stack(columns, axis=1), group.sample, group.source)
    for value, name in stood_in if found else ():
        found[value] = found[value].model_copy(update={"source": f"{group.source}, {name} standing in"})
    return found


def _map_figures(
    responses: Responses,
    groups: Mapping[str, Sequence[_Group]],
    least: int,
    axes_told: AxesTold | None,
) -> dict[str, dict[str, Figure]]:
    """By country; nothing if the file lacks an item or has too few countries."""
    values = map_answers(responses)
    if values is None:
        return {}
    complete = [
        group
        for own in groups.values()
        for group in own
        if (~np.isnan(values[group.rows]) & (group.sample.weight > 0)[:, None]).any(axis=0).all()
    ]
    if len({group.country for group in complete}) < least:
        logger.warning("%s: fewer than %d countries with all items of the culture map", responses.path, least)
        return {}
    axes = fit_culture_map([(values[group.rows], group.sample) for group in complete])
    if axes_told is not None:
        axes_told(axes.axes)
    figures: dict[str, dict[str, Figure]] = {}
    for group in complete:  # of each country, the latest first
        if group.country not in figures:
            figures[group.country] = axes.place(values[group.rows], group.sample, group.source)
    return figures


def _opinion_profiles(opinions: Iterable[Opinion]) -> dict[str, CultureProfile]:
    answers: dict[str, dict[str, AnswerShares]] = {}
    for opinion in opinions:
        for country, shares in opinion.shares.items():
            answers.setdefault(country, {})[opinion.id] = AnswerShares(
                item=opinion.id,
                shares=shares,
                source=f"{opinion.source}, respondents not stated",
            )
    return {
        country: CultureProfile(culture=country, answers=given, countries=(country,))
        for country, given in sorted(answers.items())
    }
