"""What ``concordat culture show`` and ``concordat culture map`` do."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cluster.console import OK, Output
from cluster.culture.palette import MOST
from cluster.culture.subjects import Subject, all_subjects, find_subjects, read_profiles
from negotiation.errors import ConfigurationError, CultureError

PICTURE, PAGE = ".png", ".html"
"""Endings of the files that can be written."""

MOST_ROWS = 20
"""A map of more cultures than this is told without its countries."""


def show(names: Sequence[str], out: Path | None, profiles: Path | None, output: Output) -> int:
    """Show some cultures side by side; with ``out``, as a picture or page too.

    Raises:
        CultureError: if a culture is unknown or given twice, or the profiles are no such file.
        ConfigurationError: if ``out`` is of another kind or cannot be written, matplotlib is missing, or there is too much or
            too little to draw.
    """
    _check_kind(out)
    found = read_profiles(profiles)
    subjects = find_subjects(names, found)
    if out is not None:
        _check_drawable(subjects)
        regions = [subject for subject in all_subjects(found) if subject.is_region and subject.placed]
        _write(out, _shown_file(out, subjects, regions))
    if output.as_json:
        output.result({"cultures": [subject.tree() for subject in subjects], **_told(out)})
        return OK
    from cluster.culture.terminal import print_subjects

    print_subjects(subjects, output.table_console)
    _tell(out, output)
    return OK


def show_map(out: Path | None, profiles: Path | None, output: Output) -> int:
    """Show the culture map; with ``out``, as a picture or page too. Errors as ``show``.

    Raises:
        CultureError: if no culture of the profiles has a place on the map.
    """
    _check_kind(out)
    placed = [subject for subject in all_subjects(read_profiles(profiles)) if subject.placed]
    if not placed:
        raise CultureError(f"profiles {profiles}: none has a culture_map; give one that has")
    if out is not None:
        _write(out, _map_file(out, placed))
    if output.as_json:
        keep = ("id", "name", "region", "averaged_over", "culture_map")
        trees = [{key: subject.tree()[key] for key in keep} for subject in placed]
        output.result({"cultures": trees, **_told(out)})
        return OK
    from cluster.culture.terminal import map_table

    # A country is a point of the picture; in a table of the terminal a hundred of them would hide the regions.
    rows = placed if len(placed) <= MOST_ROWS else [s for s in placed if s.is_region or not s.region]
    countries = Counter(subject.region for subject in placed if not subject.is_region)
    output.table_console.print(map_table(rows, countries))
    _tell(out, output)
    return OK


def _check_kind(out: Path | None) -> None:
    if out is not None and out.suffix.lower() not in (PICTURE, PAGE):
        kind = f"ends in {out.suffix!r}" if out.suffix else "has no ending"
        raise ConfigurationError(
            f"--out {out} {kind}; end it in {PICTURE} for a picture or {PAGE} for a page"
        )


def _check_drawable(subjects: Sequence[Subject]) -> None:
    if not any(subject.valued or subject.placed for subject in subjects):
        names = ", ".join(subject.name for subject in subjects)
        raise CultureError(f"nothing to draw: no survey figures of {names}; name another culture")
    if len(subjects) > MOST:
        raise ConfigurationError(
            f"--out: {len(subjects)} cultures are more than can be told apart; name at most {MOST}"
        )


def _shown_file(out: Path, subjects: Sequence[Subject], regions: Sequence[Subject]) -> bytes:
    if out.suffix.lower() == PAGE:
        from cluster.culture.page import subjects_page

        return subjects_page(subjects, regions).encode()
    from cluster.culture.picture import subjects_picture

    return subjects_picture(subjects, regions)


def _map_file(out: Path, placed: Sequence[Subject]) -> bytes:
    if out.suffix.lower() == PAGE:
        from cluster.culture.page import map_page

        return map_page(placed).encode()
    from cluster.culture.picture import map_picture

    return map_picture(placed)


def _write(out: Path, content: bytes) -> None:
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_bytes(content)
    except OSError as error:
        raise ConfigurationError(f"--out {out}: {error.strerror}; name a file that can be written") from error


def _told(out: Path | None) -> dict[str, Any]:
    return {} if out is None else {"out": str(out)}


def _tell(out: Path | None, output: Output) -> None:
    if out is not None:
        output.table_console.print(f"Written: {out}", soft_wrap=True, highlight=False, markup=False)
