"""Runs as training data: consensus statements, against first statements and against candidates that were not taken.

Columns follow one of two conventions.

TRL (``trl``), conversational
    sft       prompt, completion: lists of messages
    messages  messages
    dpo       prompt, chosen, rejected: lists of messages
    kto       prompt, completion: lists of messages; label: bool

LLaMA-Factory (``llama-factory``), alpaca, and for ``messages`` its OpenAI form
    sft       system, instruction, input, output
    messages  messages
    dpo       system, instruction, input, chosen, rejected
    kto       system, instruction, input, output, kto_tag: bool

Every row also says where it came from, in the columns ``PROVENANCE``.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from agents.cultures import get_culture
from agents.models.protocol import Message
from agents.prompts import PromptSet
from cluster.outcomes import layout_of, read_outcomes
from cluster.runfolder import records_folder
from negotiation.dialogue import DialogueRecord
from negotiation.errors import ConfigurationError, RunError
from negotiation.outcome import METHODS, Method, Outcome
from negotiation.record import NegotiationRecord

Format = Literal["sft", "dpo", "kto", "messages"]
FORMATS: tuple[Format, ...] = get_args(Format)

Family = Literal["trl", "llama-factory"]
FAMILIES: tuple[Family, ...] = get_args(Family)

Against = Literal["opening", "candidate"]
AGAINST: tuple[Against, ...] = get_args(Against)
"""What a consensus statement is preferred to: the side's own first statement; a candidate that was not taken (a guideline of the
game that its side left out, or a mediator's statement that lost the vote)."""

PROVENANCE = (
    "run",
    "negotiation",
    "method",
    "topic_id",
    "category",
    "culture",
    "seed",
    "converged",
    "against",
)
"""Columns of every row beside those of its format."""

WORDS = 100
"""Most words of a statement, as the question names them."""


@dataclass(frozen=True, slots=True)
class Said:
    """One text of one side, with what it answers.

    Attributes:
        prompt: the dialogue before it.
        text: the side's words.
        origin: provenance, by column.
    """

    prompt: tuple[Message, ...]
    text: str
    origin: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Preference:
    """A consensus statement and a text that it is preferred to.

    Attributes:
        consensus: the preferred text.
        rejected: the other; None where there is none.
        against: what the other is.
    """

    consensus: Said
    rejected: str | None
    against: Against | None


def statements(run: Path, *, methods: Sequence[Method] = (), unconverged: bool = False) -> list[Said]:
    """The consensus statements of a run, behind the question put to each side's culture.

    Args:
        run: a run folder.
        methods: these only; all if empty.
        unconverged: with those of negotiations that did not converge.

    Raises:
        RunError: if the run has no statements, or none of those that are wanted.
        RecordError: if its records are damaged or of another version.
    """
    found = [
        _said(run, outcome, side)
        for outcome in read_outcomes(run)
        if (not methods or outcome.method in methods) and (unconverged or outcome.converged is not False)
        for side in range(len(outcome.players))
    ]
    if not found:
        wanted = ", ".join(methods) or "any method"
        raise RunError(
            f"{run} has no consensus statement of {wanted} that converged; add --unconverged, or name another run"
        )
    return found


def _said(run: Path, outcome: Outcome, side: int) -> Said:
    culture = get_culture(outcome.players[side])
    prompt = PromptSet.load().position(culture, outcome.topic.text, WORDS)
    origin = {
        "run": run.resolve().name,
        "negotiation": outcome.id,
        "method": outcome.method,
        "topic_id": outcome.topic.id,
        "category": outcome.topic.category,
        "culture": culture.id,
        "seed": outcome.seed,
        "converged": outcome.converged,
    }
    return Said(prompt, outcome.consensus[side].strip(), origin)


def preferences(
    run: Path,
    *,
    against: Sequence[Against] = AGAINST,
    methods: Sequence[Method] = (),
    unconverged: bool = False,
) -> list[Preference]:
    """Each consensus statement with each text that it is preferred to; equal texts make no pair, and none is there twice.

    Raises:
        RunError: as ``statements``, or if no pair is left.
    """
    kept: dict[tuple[str, str], list[Said]] = {}
    for said in statements(run, methods=methods, unconverged=unconverged):
        kept.setdefault((said.origin["negotiation"], said.origin["method"]), []).append(said)
    found: dict[tuple[Any, ...], Preference] = {}
    for record in _records(run):
        method = record.method if isinstance(record, DialogueRecord) else "psro"
        for side, said in enumerate(kept.get((record.negotiation_id, method), [])):
            for kind, text in _others(record, side):
                rejected = text.strip()
                if kind in against and rejected and rejected != said.text:
                    key = (record.negotiation_id, method, side, rejected)
                    found.setdefault(key, Preference(said, rejected, kind))
    if not found:
        raise RunError(
            f"{run}: no consensus statement has anything it is preferred to ({', '.join(against)})"
        )
    return list(found.values())


def _records(run: Path) -> Iterator[NegotiationRecord | DialogueRecord]:
    for method in METHODS:
        for path in sorted((run / records_folder(method)).glob("*.parquet")):
            yield from layout_of(method).read(path)


def _others(record: NegotiationRecord | DialogueRecord, side: int) -> Iterator[tuple[Against, str]]:
    yield "opening", record.openings[side].statement
    if isinstance(record, DialogueRecord):
        for election in record.elections:
            yield from (("candidate", text) for text in election.candidates)
        return
    for played in record.rounds:
        for move in played.moves:
            if move.player == side:
                for candidate in move.candidates:
                    if not candidate.accepted:
                        draft = candidate.draft
                        yield "candidate", as_statement(draft.content, draft.reason, draft.description)


def as_statement(*parts: str) -> str:
    """A guideline's parts as sentences one after the other, so that only its content tells it from a statement.

    >>> as_statement("Open days", "Trust grows.", "")
    'Open days. Trust grows.'
    """
    kept = [part.strip() for part in parts if part.strip()]
    return " ".join(part if part[-1] in ".!?" else f"{part}." for part in kept)


def rows_of(
    run: Path,
    form: Format,
    family: Family = "trl",
    *,
    against: Sequence[Against] = AGAINST,
    methods: Sequence[Method] = (),
    unconverged: bool = False,
) -> list[dict[str, Any]]:
    """A run as rows of training data.

    Args:
        run: a run folder.
        form: of the rows.
        family: whose column conventions.
        against: what consensus statements are preferred to, in ``dpo`` and ``kto``.
        methods: these only; all if empty.
        unconverged: with negotiations that did not converge.

    Raises:
        RunError: if nothing is left to export.
    """
    if form in ("sft", "messages"):
        wanted = statements(run, methods=methods, unconverged=unconverged)
        return [_row(said, said.text, form, family, None) for said in wanted]
    pairs = preferences(run, against=against, methods=methods, unconverged=unconverged)
    if form == "dpo":
        return [
            _row(one.consensus, one.consensus.text, form, family, one.against, one.rejected) for one in pairs
        ]
    liked = {
        id(one.consensus): _row(one.consensus, one.consensus.text, form, family, None, label=True)
        for one in pairs
    }
    disliked = [
        _row(one.consensus, one.rejected or "", form, family, one.against, label=False) for one in pairs
    ]
    return [*liked.values(), *disliked]


def _row(
    said: Said,
    text: str,
    form: Format,
    family: Family,
    against: Against | None,
    rejected: str | None = None,
    label: bool | None = None,
) -> dict[str, Any]:
    origin = {**said.origin, "against": against}
    if form == "messages":
        return {"messages": _messages((*said.prompt, Message("assistant", text))), **origin}
    if family == "llama-factory":
        return _alpaca(said.prompt, text, rejected, label) | origin
    row: dict[str, Any] = {"prompt": _messages(said.prompt)}
    if form == "dpo":
        row |= {"chosen": _messages([Message("assistant", text)])}
        row |= {"rejected": _messages([Message("assistant", rejected or "")])}
    else:
        row |= {"completion": _messages([Message("assistant", text)])}
    return row | ({} if label is None else {"label": label}) | origin


def _alpaca(prompt: Sequence[Message], text: str, rejected: str | None, label: bool | None) -> dict[str, Any]:
    system, user = prompt
    row: dict[str, Any] = {"system": system.content, "instruction": user.content, "input": ""}
    row |= {"output": text} if rejected is None else {"chosen": text, "rejected": rejected}
    return row | ({} if label is None else {"kto_tag": label})


def _messages(messages: Sequence[Message]) -> list[dict[str, str]]:
    return [asdict(message) for message in messages]


def dataset_info(name: str, file: str, form: Format) -> dict[str, Any]:
    """What LLaMA-Factory's ``dataset_info.json`` says of a file."""
    if form == "messages":
        tags = {
            "role_tag": "role",
            "content_tag": "content",
            "user_tag": "user",
            "assistant_tag": "assistant",
            "system_tag": "system",
        }
        entry = {
            "file_name": file,
            "formatting": "sharegpt",
            "columns": {"messages": "messages"},
            "tags": tags,
        }
        return {name: entry}
    columns = {"prompt": "instruction", "query": "input", "system": "system"}
    if form == "dpo":
        return {
            name: {
                "file_name": file,
                "ranking": True,
                "columns": {**columns, "chosen": "chosen", "rejected": "rejected"},
            }
        }
    columns |= {"response": "output"} | ({"kto_tag": "kto_tag"} if form == "kto" else {})
    return {name: {"file_name": file, "columns": columns}}


def write_rows(rows: Sequence[dict[str, Any]], form: Format, family: Family, out: Path) -> list[Path]:
    """Write rows as JSON lines, whole or not at all.

    Args:
        rows: of one format.
        form: of the rows.
        family: of the columns.
        out: a file that ends in ``.jsonl``, or a folder: then ``FORMAT.jsonl`` in it, and for LLaMA-Factory a
            ``dataset_info.json`` beside it, which keeps the entries that are there.

    Returns:
        The files written.

    Raises:
        ConfigurationError: if ``out`` is a file of another kind, or ``dataset_info.json`` there is no JSON object.
        RunError: if it cannot be written.
    """
    from cluster.runfolder import write_atomically

    text = "".join(json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n" for row in rows)
    if out.suffix == ".jsonl":
        _make_folder(out.parent)
        write_atomically(out, text.encode())
        return [out]
    if out.suffix:
        raise ConfigurationError(f"--out {out}: name a file that ends in .jsonl, or a folder")
    _make_folder(out)
    file = out / f"{form}.jsonl"
    info = out / "dataset_info.json"
    known: dict[str, Any] = {}
    if family == "llama-factory":
        known = _known_datasets(info) | dataset_info(f"concordat_{form}", file.name, form)
    write_atomically(file, text.encode())
    if family != "llama-factory":
        return [file]
    write_atomically(info, (json.dumps(known, indent=2, ensure_ascii=False) + "\n").encode())
    return [file, info]


def _known_datasets(info: Path) -> dict[str, Any]:
    if not info.exists():
        return {}
    try:
        known = json.loads(info.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigurationError(
            f"{info} cannot be read ({error}); mend it, or choose another --out"
        ) from error
    if not isinstance(known, dict):
        raise ConfigurationError(f"{info} is no JSON object; mend it, or choose another --out")
    return known


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigurationError(f"--out {folder}: {error.strerror}; choose another") from error
