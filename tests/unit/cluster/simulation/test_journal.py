"""Lines that are whole or absent, and are found again by their place."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from cluster.simulation.journal import BLOCK, Journal
from negotiation.errors import RecordError


def _add(path: Path, line: dict[str, int]) -> None:
    with closing(Journal(path)) as journal:
        journal.append(line)


def test_lines_are_found_by_their_place_and_in_order(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "log")
    lines = [{"n": k, "text": "é" * k} for k in range(5)]
    places = [journal.append(line) for line in lines]
    assert [journal.at(place) for place in places] == lines
    assert list(journal.lines()) == list(zip(places, lines, strict=True))
    assert [line["n"] for _, line in journal.lines(without=b'"n": 3')] == [0, 1, 2, 4]
    journal.close()
    assert journal.append({"n": 5}) == (tmp_path / "log").read_bytes().rfind(b"{")
    journal.close()


@pytest.mark.parametrize("rest", ["x", '{"n": 1', "y" * (2 * BLOCK + 7)])
def test_what_a_dying_process_left_of_a_line_is_cut_off(tmp_path: Path, rest: str) -> None:
    path = tmp_path / "log"
    _add(path, {"n": 0})
    with path.open("a") as file:
        file.write(rest)
    _add(path, {"n": 1})
    assert [line["n"] for _, line in Journal(path).lines()] == [0, 1]
    path.write_text(rest)  # not one whole line
    _add(path, {"n": 2})
    assert path.read_text() == '{"n": 2}\n'


def test_a_line_that_does_not_fit_on_the_disk_is_taken_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = Journal(tmp_path / "log")
    journal.append({"n": 0})
    whole = journal._file
    assert whole is not None

    class Full:
        """A file on a disk with room for four bytes."""

        def write(self, data: bytes) -> int:
            return whole.write(data[:4])

        def fileno(self) -> int:
            return whole.fileno()

    with monkeypatch.context() as patch:
        patch.setattr(journal, "_file", Full())
        with pytest.raises(OSError, match="No space left"):
            journal.append({"n": 1})
    journal.append({"n": 2})
    journal.close()
    assert (tmp_path / "log").read_text() == '{"n": 0}\n{"n": 2}\n'


@pytest.mark.parametrize("line", ["{", "[1]", "word"])
def test_a_damaged_line_is_named(tmp_path: Path, line: str) -> None:
    path = tmp_path / "log"
    path.write_text(f'{{"n": 0}}\n{line}\n{{"n": 1}}\n')
    with pytest.raises(RecordError, match=r"log, line 2 is damaged"):
        list(Journal(path).lines())
