"""Topics from files (YAML, JSONL, CSV) and from the command line."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import yaml

from negotiation.errors import TopicError
from negotiation.topic import MAX_TOPIC_CHARS, Topic

__all__ = ["EXAMPLE_TOPICS", "MAX_TOPIC_CHARS", "Topic", "load_topics", "topic_from_text"]

EXAMPLE_TOPICS = Path(__file__).parent / "data" / "topics.yaml"
"""The topics that ship with the package: thirty questions in six categories."""

FIELDS = ("id", "text", "category")
"""What a topic has in a file; ``category`` may be left out."""

_SAFE_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}")


@dataclass(frozen=True, slots=True)
class _Row:
    """One topic as read: its first line, its fields as text, and the line of each field where it differs."""

    line: int
    fields: Mapping[str, str]
    lines: Mapping[str, int]


def load_topics(path: Path = EXAMPLE_TOPICS) -> tuple[Topic, ...]:
    """The topics of a file, in its order; without a path, the thirty that ship with the package.

    YAML is a list of mappings, JSONL one object a line, CSV has a header line and commas; the fields are
    ``id``, ``text`` and, optionally, ``category``. Text is UTF-8.

    Raises:
        TopicError: naming file, line and field, if the file is missing, of another kind, no UTF-8 or
            malformed, has a missing, unknown or repeated field, an id twice or one that is no file name, an
            empty or too long text, or no topics.

    >>> len(load_topics())
    30
    """
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        raise TopicError(
            f"topics {path}: unknown file extension {path.suffix!r}; use {', '.join(sorted(_READERS))}"
        )
    topics: list[Topic] = []
    first_line: dict[str, int] = {}
    for row in reader(path, _read_text(path)):
        topic = _topic(path, row)
        line = row.lines.get("id", row.line)
        key = topic.id.casefold()  # some file systems do not tell A from a
        if key in first_line:
            raise _fault(
                path, line, "id", f"{topic.id!r} is also the id in line {first_line[key]}; ids must differ"
            )
        first_line[key] = line
        topics.append(topic)
    if not topics:
        raise TopicError(f"topics {path}: the file has no topics; write at least one with an id and a text")
    return tuple(topics)


def topic_from_text(text: str) -> Topic:
    """A topic from its text alone; its id is the first words and a hash, so equal texts have equal ids.

    Raises:
        TopicError: if the text is empty, too long or cannot be written as UTF-8.

    >>> topic_from_text("Should voting be a duty?").id
    'should-voting-be-a-duty-3fb585fe'
    """
    text = text.strip()
    if not _encodable(text):
        raise TopicError(f"topic text {text[:40]!a} cannot be written as UTF-8; use plain Unicode text")
    words = re.sub(r"[^a-z0-9]+", "-", text.lower())[:40].strip("-")
    digest = hashlib.sha256(text.encode("utf-8")).hexdigest()[:8]
    return Topic(id=f"{words}-{digest}" if words else digest, text=text)


def _topic(path: Path, row: _Row) -> Topic:
    """Check one row's fields and make it a topic."""
    for field in row.fields:
        if field not in FIELDS:
            line = row.lines.get(field, row.line)
            raise _fault(path, line, field, f"unknown; a topic has {', '.join(FIELDS)}")
    for field in ("id", "text"):
        if field not in row.fields:
            raise _fault(path, row.line, field, "missing; every topic needs it")
    fields = {field: text.strip() for field, text in row.fields.items()}
    for field, text in fields.items():
        line = row.lines.get(field, row.line)
        if not text:
            raise _fault(path, line, field, "empty; write something or leave the topic out")
        if not _encodable(text):
            raise _fault(path, line, field, f"{text[:40]!a} cannot be written as UTF-8")
    if not _SAFE_ID.fullmatch(fields["id"]):
        raise _fault(
            path,
            row.lines.get("id", row.line),
            "id",
            f"{fields['id'][:100]!r} is no file name; use at most 80 letters, digits, '-', '_' and '.',"
            " beginning with a letter or digit",
        )
    if len(fields["text"]) > MAX_TOPIC_CHARS:
        raise _fault(
            path,
            row.lines.get("text", row.line),
            "text",
            f"{len(fields['text']):,} characters; shorten it to at most {MAX_TOPIC_CHARS:,}",
        )
    return Topic(**fields)


def _read_text(path: Path) -> str:
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise TopicError(f"topics {path}: {error.strerror}; give a readable file") from error
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise TopicError(
            f"topics {path}, line {line}: byte 0x{raw[error.start]:02x} is no UTF-8; save the file as UTF-8"
        ) from error


def _yaml_rows(path: Path, text: str) -> Iterator[_Row]:
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise TopicError(f"topics {path}, line {line}: malformed YAML: {error.problem}") from error
    except (yaml.YAMLError, RecursionError) as error:
        raise TopicError(f"topics {path}: malformed YAML: {error}") from error
    if root is None:
        return
    if not isinstance(root, yaml.SequenceNode):
        raise TopicError(
            f"topics {path}, line {_line(root)}: expected a list of topics, each beginning '- id:'"
        )
    for node in root.value:
        if not isinstance(node, yaml.MappingNode):
            raise TopicError(f"topics {path}, line {_line(node)}: expected a topic with {', '.join(FIELDS)}")
        fields: dict[str, str] = {}
        lines: dict[str, int] = {}
        for key, value in node.value:
            field = str(key.value)
            if field in fields:
                raise _fault(path, _line(key), field, "given twice in one topic; keep one")
            if not isinstance(value, yaml.ScalarNode):
                raise _fault(path, _line(value), field, "a list or mapping; it must be text")
            fields[field] = "" if value.tag == "tag:yaml.org,2002:null" else value.value
            lines[field] = _line(key)
        yield _Row(_line(node), fields, lines)


def _jsonl_rows(path: Path, text: str) -> Iterator[_Row]:
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            entry = json.loads(line, object_pairs_hook=partial(_json_object, path, number))
        except (json.JSONDecodeError, RecursionError) as error:
            raise TopicError(f"topics {path}, line {number}: malformed JSON: {error}") from error
        if not isinstance(entry, dict):
            raise TopicError(f"topics {path}, line {number}: expected an object with {', '.join(FIELDS)}")
        for field, value in entry.items():
            if field == "id" and type(value) is int:
                entry[field] = str(value)
            elif not isinstance(value, str):
                raise _fault(path, number, field, f"{json.dumps(value)[:40]}; it must be text in quotes")
        yield _Row(number, entry, {})


def _json_object(path: Path, line: int, pairs: list[tuple[str, object]]) -> dict[str, object]:
    fields: dict[str, object] = {}
    for field, value in pairs:
        if field in fields:
            raise _fault(path, line, field, "given twice in one topic; keep one")
        fields[field] = value
    return fields


def _csv_rows(path: Path, text: str) -> Iterator[_Row]:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    line = 1
    try:
        header = [name.strip() for name in next(reader, [])]
        _check_header(path, header)
        line = reader.line_num + 1
        for cells in reader:
            if cells:
                if len(cells) != len(header):
                    raise TopicError(
                        f"topics {path}, line {line}: {len(cells)} cells under {len(header)} columns;"
                        " put texts that hold commas in double quotes"
                    )
                filled = dict(zip(header, cells, strict=True))
                if not filled.get("category", "").strip():
                    filled.pop("category", None)  # an empty cell is how a table leaves a field out
                yield _Row(line, filled, {})
            line = reader.line_num + 1
    except csv.Error as error:
        raise TopicError(f"topics {path}, line {line}: malformed CSV: {error}") from error


def _check_header(path: Path, header: list[str]) -> None:
    for name in header:
        if header.count(name) > 1:
            raise _fault(path, 1, name, "a column given twice; keep one")
        if name not in FIELDS:
            raise _fault(
                path, 1, name, f"unknown column; the columns are {','.join(FIELDS)}, separated by commas"
            )
    for name in ("id", "text"):
        if header and name not in header:
            raise _fault(
                path, 1, name, "missing column; the first line must name the columns id,text,category"
            )


_READERS: dict[str, Callable[[Path, str], Iterator[_Row]]] = {
    ".yaml": _yaml_rows,
    ".yml": _yaml_rows,
    ".jsonl": _jsonl_rows,
    ".csv": _csv_rows,
}


def _fault(path: Path, line: int, field: str, what: str) -> TopicError:
    return TopicError(f"topics {path}, line {line}, field {field!r}: {what}")


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1


def _encodable(text: str) -> bool:
    """Whether the text can be written as UTF-8 (a lone surrogate from an escape or a terminal cannot)."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True
