"""Small files in the official formats; every number in them is made up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

Cell = str | int | float


def write_table(
    path: Path, columns: Mapping[str, Sequence[Cell]], *, delimiter: str = ",", bom: bool = False
) -> Path:
    """Columns as a text file, the header in quotes as the official ones have it."""
    lines = [delimiter.join(f'"{name}"' for name in columns)]
    lines += [delimiter.join(str(cell) for cell in row) for row in zip(*columns.values(), strict=True)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8-sig" if bom else "utf-8")
    return path


def wave7(countries: Sequence[str], **columns: Sequence[Cell]) -> dict[str, Sequence[Cell]]:
    """Columns of a wave 7 file: equal weights unless given."""
    admin: dict[str, Sequence[Cell]] = {
        "version": ["6-0-0"] * len(countries),
        "A_YEAR": [2018] * len(countries),
        "B_COUNTRY_ALPHA": countries,
        "W_WEIGHT": [1] * len(countries),
    }
    return {**admin, **columns}
