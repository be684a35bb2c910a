"""What each kind of survey file calls its columns, and telling the kinds apart by them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from agents.survey.codebook import Item, Source, get_item
from agents.values import SCHWARTZ_VALUES
from negotiation.errors import CultureError

VSM_ITEMS = tuple(f"m{number:02d}" for number in range(1, 25))
"""The twenty-four content items of Hofstede's Values Survey Module 2013, answered 1 to 5."""

MAP_ITEMS = (
    "happiness",
    "trust-people",
    "respect-for-authority",
    "sign-petition",
    "importance-god",
    "homosexuality",
    "abortion",
    "national-pride",
)
"""Items of the codebook that place people on the culture map, besides post-materialism and autonomy."""


@dataclass(frozen=True, slots=True)
class Layout:
    """One kind of survey file. Of columns given in order of preference, the first that a file has is read.

    Attributes:
        survey: name of survey and wave, for sources.
        variables: which variable names of the codebook it uses; None if it asks none of its items.
        country: columns that name the country (numbers, letters or English names).
        weight: columns of the weight that makes a country's sample representative.
        weight_needed: whether the official file always has one.
        year: columns of the year of the interview.
        wave: columns of the wave of World Values Survey and European Values Study, where a file holds several.
        only_wave: the one wave whose variables bear these names, where other waves gave the same names to others.
        first_year: of that wave's interviews.
        cluster: columns of the primary sampling unit.
        schwartz: by value, its items in order of preference: 1 = very much like me ... 6 = not at all like me.
        choices: first and second choice among the four aims that make the four-item post-materialism index.
        child: qualities mentioned (first code) or not: independence, determination, religious faith, obedience.
        mentioned: codes of a child quality that was mentioned, and that was not.
        indices: columns of the two indices as computed by the survey, read where their parts are absent.
        vsm: whether it holds ``VSM_ITEMS``.
    """

    survey: str
    variables: Source | None
    country: tuple[str, ...]
    weight: tuple[str, ...]
    year: tuple[str, ...]
    weight_needed: bool = True
    wave: tuple[str, ...] = ()
    only_wave: int | None = None
    first_year: int = 0
    cluster: tuple[str, ...] = ()
    schwartz: Mapping[str, tuple[str, ...]] | None = None
    choices: tuple[str, str] | None = None
    child: tuple[str, str, str, str] | None = None
    mentioned: tuple[int, int] = (1, 2)
    indices: tuple[str, str] = ("Y002", "Y003")
    vsm: bool = False

    def known_variables(self, items: Iterable[Item]) -> tuple[str, ...]:
        """Every variable that a profile is computed from, each once."""
        names: list[str] = [
            item.variables[self.variables].name
            for item in (*items, *(get_item(name) for name in MAP_ITEMS))
            if self.variables is not None and self.variables in item.variables
        ]
        for columns in (self.schwartz or {}).values():
            names += columns
        names += [*(self.choices or ()), *(self.child or ())]
        names += self.indices if self.variables is not None else VSM_ITEMS
        return tuple(dict.fromkeys(names))


WAVE7 = Layout(
    survey="World Values Survey wave 7",
    variables="wave7",
    country=("B_COUNTRY_ALPHA", "B_COUNTRY"),
    weight=("W_WEIGHT",),
    year=("A_YEAR",),
    cluster=("I_PSU",),
    choices=("Q154", "Q155"),
    child=("Q8", "Q14", "Q15", "Q17"),
)
WAVE6 = Layout(
    survey="World Values Survey wave 6",
    variables="wave6",
    country=("B_COUNTRY_ALPHA", "V2", "B_COUNTRY"),
    weight=("V258", "W_WEIGHT"),
    year=("V262", "A_YEAR"),
    wave=("V1",),
    only_wave=6,
    first_year=2010,
    cluster=("I_PSU",),
    # V74 (the good of society) stands in for benevolence where V74B (help for those nearby) was not asked.
    schwartz=dict(
        zip(
            SCHWARTZ_VALUES,
            [
                ("V70",),
                ("V76",),
                ("V73",),
                ("V75",),
                ("V71",),
                ("V72",),
                ("V77",),
                ("V79",),
                ("V74B", "V74"),
                ("V78",),
            ],
            strict=True,
        )
    ),
    choices=("V62", "V63"),
    child=("V12", "V18", "V19", "V21"),
)
JOINT = Layout(
    survey="EVS/WVS joint file",
    variables="joint",
    country=("S003", "COUNTRY_ALPHA", "cntry", "cntry_AN"),
    weight=("S017", "gwght"),
    year=("S020", "year"),
    wave=("S002VS", "S002EVS"),
    cluster=("I_PSU",),
    schwartz=dict(
        zip(
            SCHWARTZ_VALUES,
            [
                ("A189",),
                ("A195",),
                ("A192",),
                ("A194",),
                ("A190",),
                ("A191",),
                ("A196",),
                ("A198",),
                ("A193", "A199"),
                ("A197",),
            ],
            strict=True,
        )
    ),
    choices=("E003", "E004"),
    child=("A029", "A039", "A040", "A042"),
    mentioned=(1, 0),
)
VSM = Layout(
    survey="Values Survey Module 2013",
    variables=None,
    country=("country",),
    weight=("weight",),
    weight_needed=False,
    year=("year",),
    vsm=True,
)
LAYOUTS = (WAVE7, WAVE6, JOINT, VSM)


@dataclass(frozen=True, slots=True)
class Columns:
    """Columns of one file, by their part, as the file itself spells them; None where the file has none.

    Attributes:
        answers: spelling in the file by official name of the variable.
    """

    country: str
    weight: str | None
    year: str | None
    waves: tuple[str, ...]
    cluster: str | None
    answers: Mapping[str, str]


def find_layout(path: Path, names: Sequence[str], items: Iterable[Item]) -> tuple[Layout, Columns]:
    """The kind of file that has these columns: the one of whose variables it has most, spelled as official.

    Args:
        path: for messages.
        names: of the file's columns.
        items: of the codebook.

    Raises:
        CultureError: if the columns are those of no kind, none names the country, or a column that would be read is
            there twice.
    """
    spelling = {name.strip(): name for name in reversed(names)}
    items = tuple(items)
    found = [
        {name: spelling[name] for name in layout.known_variables(items) if name in spelling}
        for layout in LAYOUTS
    ]
    layout, answers = max(zip(LAYOUTS, found, strict=True), key=lambda pair: len(pair[1]))
    if not answers:
        shown = ", ".join(names[:5])
        raise CultureError(
            f"survey {path}, line 1: no known variable among the {len(names)} columns ({shown}, ...); give a WVS wave 7"
            " file (Q1...), a WVS wave 6 file (V4...), an EVS/WVS joint or time-series file (A001...), a VSM 2013 file"
            " (m01...) or GlobalOpinionQA (question, selections, options), with the official names in their case"
        )

    def first(columns: tuple[str, ...]) -> str | None:
        return next((spelling[name] for name in columns if name in spelling), None)

    country = first(layout.country)
    if country is None:
        raise CultureError(
            f"survey {path}, line 1: {layout.survey} has no country column; keep {' or '.join(layout.country)}"
        )
    columns = Columns(
        country=country,
        weight=first(layout.weight),
        year=first(layout.year),
        waves=tuple(spelling[name] for name in layout.wave if name in spelling),
        cluster=first(layout.cluster),
        answers=answers,
    )
    _check_once(path, names, [country, columns.weight, columns.cluster, *answers.values()])
    return layout, columns


def _check_once(path: Path, names: Sequence[str], wanted: Iterable[str | None]) -> None:
    stripped = [name.strip() for name in names]
    for name in wanted:
        if name is not None and stripped.count(name.strip()) > 1:
            raise CultureError(f"survey {path}, line 1: column {name!r} is there twice; keep one")
