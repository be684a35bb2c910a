"""Texts in JSONL, rewritten in bounded chunks; a file is whole or not there, and a stopped one is gone on with.

Finished lines go to a neighbour of the output whose name holds a fingerprint of the settings and of the input as it is; the same
command finds it and goes on behind its last whole line. At the end it takes the output's name.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from agents.faults import faults_of
from negotiation.errors import ConfigurationError, RunError, TargetError
from rewriter.injection import Failure, Injection, is_collapsed, is_copied
from rewriter.targets import Absolute, Wanted
from rewriter.vocabulary import Rewriting, value_vector

CHUNK = 64
"""Lines that are rewritten together."""

Aimed = Callable[[str], Wanted]
"""Reads a line's ``toward``."""


class _Line(BaseModel):
    """What is read of a line; its other keys are passed on."""

    model_config = ConfigDict(extra="allow")

    text: str = Field(min_length=1)
    target: list[float] | None = None
    toward: str | None = None


@dataclass(frozen=True, slots=True)
class Lines:
    """What came of a file.

    Attributes:
        done: lines that were rewritten, those of an earlier try included.
        bad: (number from 1, what is wrong) of the others.
        copies: rewritings that repeat their source.
        collapses: rewritings that have collapsed.
    """

    done: int
    bad: tuple[tuple[int, str], ...]
    copies: int
    collapses: int


@dataclass(frozen=True, slots=True)
class _Read:
    """A line of the input: as it stands, and either what it asks or what is wrong with it."""

    number: int
    tree: Mapping[str, Any]
    text: str = ""
    wanted: Wanted | None = None
    wrong: str = ""


def rewrite_lines(
    injection: Injection,
    source: Path,
    output: Path,
    settings: Mapping[str, Any],
    aimed: Aimed,
    otherwise: Wanted | None,
    told: Callable[[int], None] = lambda done: None,
) -> Lines:
    """Rewrite a file of texts.

    A bad line is written with the key ``error`` and does not stop the others. Blank lines are left out.

    Args:
        injection: rewrites.
        source: the texts.
        output: receives the lines.
        settings: what determines the result, for the fingerprint.
        aimed: reads a line's ``toward``.
        otherwise: aim of lines that name none.
        told: called after each chunk with the number of lines so far.

    Raises:
        ConfigurationError: if the input cannot be read.
        RunError: if the output cannot be written.
    """
    part = output.with_name(f".{output.name}.{_fingerprint(source, settings)}.part")
    try:
        counts = _resume(part)
        done, bad = counts.done, list(counts.bad)
        copies, collapses = counts.copies, counts.collapses
        with part.open("a", encoding="utf-8") as file:
            lines = islice(_lines(source), done + len(bad), None)
            while chunk := [_read(number, raw, aimed, otherwise) for number, raw in islice(lines, CHUNK)]:
                injected = _inject(injection, chunk)
                for read, outcome in zip(chunk, injected, strict=True):
                    tree = _tree(read, outcome)
                    file.write(json.dumps(tree, ensure_ascii=False, allow_nan=False) + "\n")
                    if "error" in tree:
                        bad.append((read.number, str(tree["error"]["message"])))
                        continue
                    done += 1
                    copies += tree["copied"]
                    collapses += tree["collapsed"]
                file.flush()
                told(done + len(bad))
            os.fsync(file.fileno())
        part.replace(output)
    except OSError as error:
        raise RunError(
            f"cannot write {output}: {error.strerror or error}; choose another --output"
        ) from error
    return Lines(done, tuple(bad), copies, collapses)


def count_lines(source: Path) -> int:
    """Lines that are not blank.

    Raises:
        ConfigurationError: if the file cannot be read.
    """
    return sum(1 for _ in _lines(source))


def _lines(source: Path) -> Iterator[tuple[int, str]]:
    """(Number from 1, line) of those that are not blank."""
    try:
        with source.open(encoding="utf-8") as file:
            for number, line in enumerate(file, start=1):
                if line.strip():
                    yield number, line
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"input {source} cannot be read: {error}; give JSONL in UTF-8") from error


def _read(number: int, raw: str, aimed: Aimed, otherwise: Wanted | None) -> _Read:
    try:
        tree = json.loads(raw)
    except ValueError as error:
        return _Read(number, {"line": raw.rstrip("\n")}, wrong=f"no JSON: {error}")
    if not isinstance(tree, dict):
        return _Read(
            number, {"line": tree}, wrong=f"a {type(tree).__name__}; give an object with the key text"
        )
    try:
        line = _Line.model_validate(tree)
        wanted = _wanted(line, aimed, otherwise)
    except ValidationError as error:
        return _Read(number, tree, wrong=faults_of(error, "line"))
    except ConfigurationError as error:
        return _Read(number, tree, wrong=str(error))
    if not line.text.strip():
        return _Read(number, tree, wrong="text: it is empty; give at least a sentence")
    return _Read(number, tree, line.text, wanted)


def _wanted(line: _Line, aimed: Aimed, otherwise: Wanted | None) -> Wanted:
    if line.target is not None and line.toward is not None:
        raise TargetError("target and toward are both given; keep one")
    if line.target is not None:
        return Absolute(value_vector(line.target, "target"), ("given",))
    if line.toward is not None:
        return aimed(line.toward)
    if otherwise is None:
        raise TargetError(
            "neither target nor toward; give one, or an aim for all lines such as --toward WORDS"
        )
    return otherwise


def _inject(injection: Injection, chunk: Sequence[_Read]) -> list[Rewriting | Failure | None]:
    """What came of each line; None for bad ones."""
    asked = [(read.text, read.wanted) for read in chunk if read.wanted is not None]
    injected = (
        injection.inject([text for text, _ in asked], [wanted for _, wanted in asked]) if asked else None
    )
    outcomes = iter(injected.outcomes if injected else ())
    return [None if read.wanted is None else next(outcomes) for read in chunk]


def _tree(read: _Read, outcome: Rewriting | Failure | None) -> dict[str, Any]:
    """The line that is written."""
    if outcome is None or isinstance(outcome, Failure):
        message = read.wrong if outcome is None else outcome.reason
        return {**read.tree, "error": {"line": read.number, "message": message}}
    # A line that is now right may come from an output in which it was bad.
    return {**{key: value for key, value in read.tree.items() if key != "error"}, **rewriting_tree(outcome)}


def rewriting_tree(rewriting: Rewriting) -> dict[str, Any]:
    """What is told of a rewriting, as plain JSON values."""
    consistency = rewriting.consistency
    return {
        "rewritten": rewriting.text,
        "values_before": list(rewriting.request.before),
        "target": list(rewriting.request.target),
        "values_after": list(rewriting.after),
        "consistency": {
            "forward": consistency.forward,
            "backward": consistency.backward,
            "mean": consistency.mean,
        },
        "faults": list(consistency.faults),
        "copied": is_copied(rewriting),
        "collapsed": is_collapsed(rewriting),
    }


def _fingerprint(source: Path, settings: Mapping[str, Any]) -> str:
    try:
        stat = source.stat()
    except OSError as error:
        raise ConfigurationError(f"input {source}: {error.strerror}; give a readable JSONL file") from error
    key = [str(source.resolve()), stat.st_size, stat.st_mtime_ns, dict(settings)]
    return hashlib.sha256(json.dumps(key, sort_keys=True, default=str).encode()).hexdigest()[:12]


def _resume(part: Path) -> Lines:
    """What a stopped try has finished; a torn last line is taken off."""
    if not part.exists():
        part.parent.mkdir(parents=True, exist_ok=True)
        return Lines(0, (), 0, 0)
    done, bad, whole = 0, [], 0
    copies = collapses = 0
    with part.open("rb+") as file:
        for line in file:
            if not line.endswith(b"\n"):
                break
            whole += len(line)
            tree = json.loads(line)
            if "error" in tree:
                bad.append((int(tree["error"]["line"]), str(tree["error"]["message"])))
                continue
            done += 1
            copies += tree["copied"]
            collapses += tree["collapsed"]
        file.truncate(whole)
    return Lines(done, tuple(bad), copies, collapses)
