"""Run folders to report on: real negotiations between drawn places, with words put over them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from negotiation.config import GameConfig, LogitConfig
from negotiation.guideline import Pool
from negotiation.record import NegotiationRecord
from negotiation.storage import write_records
from negotiation.topic import Topic
from tests.unit.negotiation.scripted import DrawingOracle, play

CULTURES = ("english-speaking", "confucian", "latin-america")


def negotiated(
    topic: Topic, *, players: int = 2, rounds: int = 3, seed: int = 0, say: Callable[[str], str] | None = None
) -> NegotiationRecord:
    """A record with mixed weights; ``say`` rewrites every text that a model would have written."""
    config = GameConfig(solver=LogitConfig(rationality=4.0), rounds=rounds)
    provenance = {"model": "none"}
    record = play(
        [DrawingOracle()] * players, config, players=CULTURES[:players], seed=seed, provenance=provenance
    )
    record = replace(record, negotiation_id=f"{topic.id}-{seed}", topic=topic)
    return _spoken(record, say) if say else record


def _spoken(record: NegotiationRecord, say: Callable[[str], str]) -> NegotiationRecord:
    def pool(held: Pool) -> Pool:
        said = tuple(
            replace(g, content=say(g.content), reason=say(g.reason), description=say(g.description))
            for g in held.guidelines
        )
        return replace(held, guidelines=said)

    rounds = tuple(
        replace(
            played,
            statements=tuple(map(say, played.statements)),
            moves=tuple(
                replace(
                    move,
                    candidates=tuple(
                        replace(c, draft=replace(c.draft, content=say(c.draft.content)))
                        for c in move.candidates
                    ),
                )
                for move in played.moves
            ),
        )
        for played in record.rounds
    )
    return replace(
        record,
        openings=tuple(replace(opening, statement=say(opening.statement)) for opening in record.openings),
        rounds=rounds,
        pools=tuple(map(pool, record.pools)),
        consensus=tuple(map(say, record.consensus)),
    )


def run_folder(
    path: Path, records: Sequence[NegotiationRecord], failures: Sequence[Mapping[str, object]] = ()
) -> Path:
    """A run folder as a run leaves it."""
    (path / "negotiations").mkdir(parents=True)
    for record in records:
        write_records(path / "negotiations" / f"{record.negotiation_id}.parquet", [record])
    metrics = {
        "malformed_rate": 0.25,
        "tokens_per_s": 123.4,
        "seconds": 5.5,
        "planned": len(records) + len(failures),
    }
    (path / "metrics.json").write_text(json.dumps(metrics))
    (path / "config.yaml").write_text("seed: 0\ngame:\n  epsilon: 0.01\n")
    if failures:
        (path / "failures.jsonl").write_text("".join(json.dumps(failure) + "\n" for failure in failures))
    return path
