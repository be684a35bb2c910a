"""What ``concordat values`` does: texts of the command line on the terminal, or a file of lines in chunks."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from agents.faults import faults_of
from agents.values import SCHWARTZ_VALUES
from cluster.console import FAILED, OK, Output
from cluster.rewriting.rewrite_show import bar
from negotiation.errors import ConfigurationError, RunError
from rewriter.vocabulary import Detector, ValueReading

CHUNK = 64
"""Lines that are read together."""
SHOWN_FAULTS = 5
SHOWN_CHARS = 160


class _Line(BaseModel):
    """What is read of a line; its other keys are passed on."""

    model_config = ConfigDict(extra="allow", strict=True)

    text: str


@dataclass(frozen=True, slots=True)
class Lines:
    """What came of a file.

    Attributes:
        done: lines with values.
        bad: (number from 1, what is wrong) of the others.
    """

    done: int
    bad: tuple[tuple[int, str], ...]


@dataclass(frozen=True, slots=True)
class _Read:
    number: int
    tree: dict[str, Any]
    text: str
    wrong: str = ""


def read_values(
    texts: Sequence[str],
    source: Path | None,
    target: Path | None,
    detector: str,
    threads: int | None,
    output: Output,
) -> int:
    """Read texts of the command line, or of a file; exactly one of them must be given.

    Raises:
        ConfigurationError: if the flags do not fit each other, or a text is empty.
    """
    if bool(texts) == (source is not None):
        raise ConfigurationError("give either --text (one or more) or --input FILE with --output FILE")
    if (source is None) != (target is None):
        raise ConfigurationError("--input and --output belong together; give both")
    from rewriter.detector import load_detector

    if source is None or target is None:
        return _read_texts(texts, load_detector(detector, num_threads=threads), output)
    _check_files(source, target)
    found = read_lines(load_detector(detector, num_threads=threads), source, target)
    if output.as_json:
        bad = [{"line": number, "message": message} for number, message in found.bad]
        output.result({"output": str(target), "lines": found.done, "bad": bad})
    else:
        output.table_console.print(
            f"{found.done} lines read: {target}", soft_wrap=True, highlight=False, markup=False
        )
    for number, message in found.bad[:SHOWN_FAULTS]:
        output.side_console.print(f"line {number}: {message}", soft_wrap=True, highlight=False, markup=False)
    if len(found.bad) > SHOWN_FAULTS:
        output.side_console.print(f"and {len(found.bad) - SHOWN_FAULTS} more bad lines", highlight=False)
    return FAILED if found.bad else OK


def read_lines(detector: Detector, source: Path, target: Path) -> Lines:
    """Read a file of texts; the output is whole or not there.

    A bad line is written with the key ``error`` and does not stop the others. Blank lines are left out.

    Raises:
        ConfigurationError: if the input cannot be read.
        RunError: if the output cannot be written.
    """
    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    done, bad = 0, []
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with part.open("w", encoding="utf-8") as file:
            lines = _lines(source)
            while chunk := list(islice(lines, CHUNK)):
                good = [line for line in chunk if not line.wrong]
                readings = iter(detector.read([line.text for line in good]) if good else [])
                for line in chunk:
                    if line.wrong:
                        bad.append((line.number, line.wrong))
                        tree = line.tree | {"error": {"line": line.number, "message": line.wrong}}
                    else:
                        done += 1
                        kept = {key: value for key, value in line.tree.items() if key != "error"}
                        tree = kept | reading_tree(next(readings))
                    file.write(json.dumps(tree, ensure_ascii=False, allow_nan=False) + "\n")
            file.flush()
            os.fsync(file.fileno())
        part.replace(target)
    except OSError as error:
        raise RunError(
            f"cannot write {target}: {error.strerror or error}; choose another --output"
        ) from error
    finally:
        part.unlink(missing_ok=True)
    return Lines(done, tuple(bad))


def reading_tree(reading: ValueReading) -> dict[str, Any]:
    """A reading as plain JSON values."""
    return {"values": list(reading.values), "confidence": reading.confidence}


def _read_texts(texts: Sequence[str], detector: Detector, output: Output) -> int:
    readings = detector.read(texts)
    if output.as_json:
        rows = [
            {"text": text, **reading_tree(reading)} for text, reading in zip(texts, readings, strict=True)
        ]
        output.result({"detector": detector.name, "names": list(SCHWARTZ_VALUES), "readings": rows})
        return OK
    from rich.table import Table
    from rich.text import Text

    console = output.table_console
    for text, reading in zip(texts, readings, strict=True):
        told = " ".join(text.split())
        console.print(Text(told if len(told) <= SHOWN_CHARS else told[: SHOWN_CHARS - 1] + "\u2026"))
        table = Table(box=None, pad_edge=False, padding=(0, 1), show_header=False)
        for name, value in zip(SCHWARTZ_VALUES, reading.values, strict=True):
            table.add_row(name, bar(value), f"{value:+.2f}")
        console.print(table)
        console.print(f"confidence {reading.confidence:.2f}\n", highlight=False)
    return OK


def _check_files(source: Path, target: Path) -> None:
    if not source.is_file():
        raise ConfigurationError(f"--input {source}: there is no such file; give JSONL with the key text")
    if target.exists() and target.samefile(source):
        raise ConfigurationError(f"--output {target} is the input; choose another file")


def _lines(source: Path) -> Iterator[_Read]:
    try:
        with source.open(encoding="utf-8") as file:
            for number, raw in enumerate(file, start=1):
                if raw.strip():
                    yield _parse(number, raw)
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"input {source} cannot be read: {error}; give JSONL in UTF-8") from error


def _parse(number: int, raw: str) -> _Read:
    try:
        tree = json.loads(raw, parse_constant=_no_constant)
    except ValueError as error:
        return _Read(number, {"line": raw.rstrip("\n")}, "", f"no JSON: {error}")
    if not isinstance(tree, dict):
        return _Read(number, {"line": tree}, "", f"a {type(tree).__name__}; give an object with the key text")
    try:
        text = _Line.model_validate(tree).text
    except ValidationError as error:
        return _Read(number, tree, "", faults_of(error, "line"))
    if not text.strip():
        return _Read(number, tree, "", "text: it is empty; give at least a sentence")
    return _Read(number, tree, text)


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is no JSON number")
