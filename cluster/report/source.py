"""From a run folder to what the report says: read the records, and work out what they do not hold as such."""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agents.cultures import get_culture
from cluster import __version__
from cluster.report.coalitions import coalition_view
from cluster.report.views import Clause, Failure, Negotiation, PairPayoffs, Proposal, Round, RunView, Side
from cluster.runfolder import records_folder, safe_name
from cluster.simulation.storage import FolderStorage, Storage
from negotiation.errors import CultureError, RecordError, RunError
from negotiation.metagame import build_metagame
from negotiation.outcome import METHODS
from negotiation.record import NegotiationRecord, RoundRecord
from negotiation.storage import read_records
from negotiation.utility import Utility

LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ"
"""Players' letters, without I and O, which look like digits."""

STANDARD_TERMS = frozenset({"consistency", "acceptance", "novelty"})
"""With these terms alone the payoffs follow from the record; those of a user's own term do not."""

SUFFIX = ".parquet"

MOST_SHOWN = 200
"""Negotiations on one page; of a run with more of them, some are drawn evenly, by name."""

PACKAGES = ("numpy", "open_spiel", "plotly", "pyarrow")


def read_run(run: Path, storage: Storage | None = None) -> RunView:
    """Read a run folder.

    A record that cannot be read is listed among the failures, so that one damaged file hides no other. Of a long run only
    ``MOST_SHOWN`` records are read. ``storage`` is where they are, if not in the folder.

    Raises:
        RunError: if ``run`` is no folder with a ``negotiations`` folder in it.
        RecordError: if ``metrics.json`` or a line of ``failures.jsonl`` is damaged.
    """
    folder = run / "negotiations"
    if not folder.is_dir() and (storage is None or not (run / "run.json").exists()):
        raise RunError(
            f"{run} holds no run (there is no folder {folder.name} in it); name a folder made by Concordat"
        )
    records: list[NegotiationRecord] = []
    failures: list[Failure] = []
    storage = storage or FolderStorage(run)
    names = sorted(storage.names(folder.name, SUFFIX))
    for name in names[:: -(-len(names) // MOST_SHOWN) or 1]:
        try:
            records.extend(read_records(storage.place(folder.name, name + SUFFIX)))
        except RecordError as error:
            failures.append(Failure(name, name + SUFFIX, "", "RecordError", str(error)))
    finished = {(name, "psro") for name in names} - {(failure.topic_id, "psro") for failure in failures}
    others = {method: storage.names(records_folder(method), SUFFIX) for method in METHODS[1:]}
    finished |= {(name, method) for method, found in others.items() for name in found}
    failures.extend(_failures(run / "failures.jsonl", finished))
    records.sort(key=lambda record: (record.topic.category, record.topic.id, record.players))
    config = run / "config.yaml"
    return RunView(
        name=run.resolve().name,
        negotiations=tuple(view(record, f"n{k}") for k, record in enumerate(records, start=1)),
        failures=tuple(failures),
        metrics=_metrics(run / "metrics.json"),
        config=config.read_text(encoding="utf-8", errors="replace") if config.exists() else "",
        versions=versions(),
        others={method: len(found) for method, found in others.items() if found},
        finished=len(names) if len(names) > MOST_SHOWN else None,
    )


def view(record: NegotiationRecord, anchor: str) -> Negotiation:
    """What the report says of one record; ``anchor`` becomes the fragment of its section."""
    codes = {
        guideline.id: f"{letter(pool.player)}{k}"
        for pool in record.pools
        for k, guideline in enumerate(pool.guidelines, start=1)
    }
    return Negotiation(
        anchor=anchor,
        topic_id=record.topic.id,
        question=record.topic.text,
        category=record.topic.category,
        sides=_sides(record),
        pools=_pools(record, codes),
        rounds=tuple(_round(played, codes) for played in record.rounds),
        payoffs=_payoffs(record),
        epsilon=record.game_config().epsilon,
        nash_conv=record.nash_conv,
        final_payoffs=tuple(record.final.payoffs.tolist()),
        solver=record.final.solver,
        converged=record.converged,
        stop_reason=record.stop_reason,
        gap_opening=_mean_gap(record.opening_embeddings),
        gap_consensus=_mean_gap(record.consensus_embeddings),
        seconds=record.seconds if record.timings else None,
        provenance={**record.provenance, "embedder": record.embedder, "seed": str(record.seed)},
        coalitions=coalition_view(record, codes),
    )


def letter(player: int) -> str:
    """A player's letter; from the 25th player on a number follows.

    >>> [letter(0), letter(23), letter(24)]
    ['A', 'Z', 'A1.']
    """
    lap, place = divmod(player, len(LETTERS))
    return LETTERS[place] + (f"{lap}." if lap else "")


def culture_name(culture: str) -> str:
    """The name for people of a culture that ships with the package; any other player keeps its own name.

    >>> culture_name("west-south-asia"), culture_name("my-village")
    ('West and South Asia', 'my-village')
    """
    try:
        return get_culture(culture).name
    except CultureError:
        return culture


def _sides(record: NegotiationRecord) -> tuple[Side, ...]:
    start = 1.0 - record.opening_embeddings @ record.opening_embeddings.T
    end = record.statement_distances()
    n = len(record.players)
    return tuple(
        Side(
            index=i,
            culture=culture,
            name=culture_name(culture),
            letter=letter(i),
            opening=record.openings[i].statement,
            consensus=record.consensus[i],
            malformed=record.openings[i].malformed
            + sum(played.moves[i].malformed for played in record.rounds),
            moved=float(end[i, i]),
            toward=float(np.mean([start[i, j] - end[i, j] for j in range(n) if j != i])),
        )
        for i, culture in enumerate(record.players)
    )


def _pools(record: NegotiationRecord, codes: Mapping[str, str]) -> tuple[tuple[Clause, ...], ...]:
    stages = [played.equilibria[0].weights for played in record.rounds] + [record.weights]
    return tuple(
        tuple(
            Clause(
                code=codes[guideline.id],
                player=pool.player,
                round=guideline.round,
                kind=guideline.kind,
                content=guideline.content,
                reason=guideline.reason,
                description=guideline.description,
                weights=tuple(float(w[pool.player][k]) if k < len(w[pool.player]) else 0.0 for w in stages),
            )
            for k, guideline in enumerate(pool.guidelines)
        )
        for pool in record.pools
    )


def _round(played: RoundRecord, codes: Mapping[str, str]) -> Round:
    return Round(
        number=played.round,
        nash_conv=played.equilibria[0].nash_conv,
        payoffs=tuple(played.equilibria[0].payoffs.tolist()),
        statements=played.statements,
        proposals=tuple(
            Proposal(
                player=move.player,
                kind=candidate.draft.kind,
                content=candidate.draft.content,
                utility=candidate.utility,
                gain=candidate.gain,
                code=codes[candidate.guideline_id] if candidate.accepted else "",
            )
            for move in played.moves
            for candidate in move.candidates
        ),
        malformed=tuple(move.malformed for move in played.moves),
        missing=tuple(move.missing for move in played.moves),
    )


def _payoffs(record: NegotiationRecord) -> tuple[PairPayoffs, ...]:
    """Two matrices a pair of players; none if the utility has terms that the record cannot compute again."""
    if frozenset(record.terms) != STANDARD_TERMS:
        return ()
    utility = Utility.standard(
        record.terms["consistency"], record.terms["acceptance"], record.terms["novelty"]
    )
    game = build_metagame(record.pools, utility)
    opponents = game.n_players - 1
    found = []
    for i, j in combinations(range(game.n_players), 2):
        first = game.own[i][:, None] / opponents + game.pairs[i, j]
        second = game.own[j][:, None] / opponents + game.pairs[j, i]
        found += [PairPayoffs(i, i, j, first), PairPayoffs(j, i, j, second.T)]
    return tuple(found)


def _mean_gap(embeddings: NDArray[np.float64]) -> float:
    """Mean cosine distance between the rows of (N, D), in [0, 2]."""
    cosines = embeddings @ embeddings.T
    return float(np.mean([1.0 - cosines[i, j] for i, j in combinations(range(len(cosines)), 2)]))


def _metrics(path: Path) -> Mapping[str, Any]:
    if not path.exists():
        return {}
    try:
        tree = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise RecordError(f"{path} is damaged ({error}); delete it and resume the run") from error
    if not isinstance(tree, dict):
        raise RecordError(f"{path} is damaged: it holds no mapping; delete it and resume the run")
    return tree


def _failures(path: Path, finished: set[tuple[str, str]]) -> list[Failure]:
    """The last failure of each negotiation by each method that has not been finished since; these are named by file."""
    if not path.exists():
        return []
    last: dict[tuple[str, str], Failure] = {}
    for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").split("\n"), start=1):
        if not line.strip():
            continue
        try:
            entry = json.loads(line)
        except ValueError as error:
            raise RecordError(f"{path}, line {number} is damaged ({error}); delete that line") from error
        if not isinstance(entry, dict):
            raise RecordError(f"{path}, line {number} is damaged: it holds no mapping; delete that line")
        negotiation = str(entry.get("negotiation_id", f"line {number}"))
        last[safe_name(negotiation), str(entry.get("method", "psro"))] = _failure(entry)
    return [failure for key, failure in last.items() if key not in finished]


def _failure(entry: Mapping[str, Any]) -> Failure:
    topic = entry.get("topic")
    question = topic if isinstance(topic, Mapping) else {}
    return Failure(
        topic_id=str(question.get("id", entry.get("negotiation_id", ""))),
        question=str(question.get("text", "")) + (f" ({entry['method']})" if "method" in entry else ""),
        cultures=" · ".join(culture_name(str(name)) for name in entry.get("players") or ()),
        error=str(entry.get("error", "")),
        message=str(entry.get("message", "")),
    )


def versions(packages: Sequence[str] = PACKAGES) -> dict[str, str]:
    """Versions of Concordat, Python and the named packages now; what is not installed is left out."""
    found = {"Concordat": __version__, "Python": platform.python_version()}
    for name in packages:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
