"""A comparison: what was measured, the tables of it, and all of that as plain JSON values."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from agents.metrics.catalogue import MEASURES
from agents.metrics.comparison import Difference, GroupKind, Row, compare, methods_of, summarise
from agents.metrics.map_movement import MapMovement, map_movements
from agents.metrics.measured import Measured
from cluster.comparison.config import CompareConfig
from cluster.comparison.measuring import Measurement, Told, measure_sources
from cluster.comparison.sources import Source
from cluster.comparison.voices import BUNDLED_MODEL
from negotiation.outcome import Method

SIGNIFICANT = 0.05
"""Adjusted p-values below this are marked."""

MAP_STREAM = 1
"""Told apart from the other draws of the seed."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """Runs compared.

    Attributes:
        config: what was asked for.
        sources: what was read.
        measurement: every negotiation's figures.
        rows: means by group and method.
        differences: between methods, by group.
        movements: of cultures' values, on the map.
    """

    config: CompareConfig
    sources: tuple[Source, ...]
    measurement: Measurement
    rows: tuple[Row, ...]
    differences: tuple[Difference, ...]
    movements: tuple[MapMovement, ...] = ()

    @property
    def measured(self) -> Sequence[Measured]:
        """One entry a negotiation."""
        return self.measurement.measured

    @property
    def methods(self) -> list[Method]:
        """In the order of tables."""
        return methods_of(self.measured)

    @property
    def failed(self) -> int:
        """Negotiations of the runs that gave no outcome."""
        return sum(source.failed for source in self.sources)

    @property
    def faults(self) -> list[str]:
        """What was left out of the sources."""
        return [fault for source in self.sources for fault in source.faults]

    def rows_of(self, kind: GroupKind) -> list[Row]:
        """Rows of a kind of group."""
        return [row for row in self.rows if row.kind == kind]

    def tests(self, kind: GroupKind = "overall") -> list[Difference]:
        """Differences of a kind of group."""
        return [difference for difference in self.differences if difference.kind == kind]

    def notes(self) -> list[str]:
        """What a reader must know of the figures, in sentences."""
        found = [
            f"{row.method}: {row.negotiations} negotiations on {row.topics} topics"
            for row in self.rows_of("overall")
        ]
        uneven = {
            (one.method, one.other): one for one in self.tests() if one.left_out and one.measure == "moved"
        }
        found += [
            f"{one.method} and {one.other} share {one.common} negotiations; {one.left_out} that only one of them held are"
            " left out of their comparison"
            for one in uneven.values()
        ]
        if self.failed:
            found.append(f"{self.failed} negotiations failed; they are in no figure")
        if self.faults:
            found.append(
                f"{len(self.faults)} published negotiations could not be used; they are in no figure"
            )
        found += self._missing_notes()
        found += [
            f"{row.method} states one consensus for all sides: that its gap is 0 says nothing of the sides"
            for row in self.rows_of("overall")
            if row.figures["gap_consensus"].estimate == 0.0
        ]
        lengths = {
            row.method: row.figures["opening_words"].estimate
            for row in self.rows_of("overall")
            if "opening_words" in row.figures
        }
        if lengths and max(lengths.values()) > 1.25 * min(lengths.values()):
            shown = ", ".join(f"{method} {words:.0f}" for method, words in lengths.items())
            found.append(
                f"Methods began from statements of different lengths (words: {shown}): differences between them may"
                " come from that"
            )
        if self.measurement.model == BUNDLED_MODEL and any(source.published for source in self.sources):
            found.append(
                "The bundled model and detector learned from published negotiations: of their statements they say less than"
                " of new ones"
            )
        tests = len(self.tests())
        if tests:
            found.append(
                f"{tests} tests of differences overall; p-values are of sign flips over topics, adjusted by Holm's method"
            )
        return found

    def _missing_notes(self) -> list[str]:
        names: dict[tuple[str, str], list[str]] = {}
        counts: Counter[tuple[str, str]] = Counter()
        for one in self.measured:
            for reason in dict.fromkeys(one.reasons.values()):
                counts[one.method, reason] += 1
                known = names.setdefault((one.method, reason), [])
                lacking = [name for name, why in one.reasons.items() if why == reason and name not in known]
                known += lacking
        return [
            f"{method}: {', '.join(MEASURES[name].title for name in names[method, reason])} unknown in {count} negotiations"
            f" ({reason})"
            for (method, reason), count in counts.items()
        ]

    def tree(self) -> dict[str, Any]:
        """Everything as plain JSON values."""
        measurement = self.measurement
        return {
            "runs": [str(source.path) for source in self.sources],
            "methods": self.methods,
            "negotiations": len(self.measured),
            "topics": len({one.topic_id for one in self.measured}),
            "failed": self.failed,
            "faults": self.faults,
            "judges": [asdict(judge) for judge in measurement.judges],
            "agreement": measurement.agreement,
            "embedder": measurement.embedder,
            "model": measurement.model,
            "perplexity": self.config.variant if measurement.model is not None else None,
            "tests": len(self.tests()),
            "notes": self.notes(),
            "rows": [asdict(row) for row in self.rows],
            "differences": [asdict(difference) for difference in self.differences],
            "movements": [asdict(movement) for movement in self.movements],
            "measures": {
                name: {"title": measure.title, "better": measure.better, "meaning": measure.meaning}
                for name, measure in MEASURES.items()
            },
        }


def compare_sources(
    config: CompareConfig, sources: Sequence[Source], told: Told = lambda what, done, of: None
) -> Comparison:
    """Measure and compare; errors as ``measure_sources``."""
    measurement = measure_sources(config, sources, told)
    rows = summarise(measurement.measured, seed=config.seed, resamples=config.resamples)
    differences = compare(
        measurement.measured, seed=config.seed, resamples=config.resamples, permutations=config.permutations
    )
    movements = map_movements(
        measurement.measured, np.random.default_rng([config.seed, MAP_STREAM]), resamples=config.resamples
    )
    return Comparison(config, tuple(sources), measurement, tuple(rows), tuple(differences), tuple(movements))
