"""The translator that ships: word lists for direction, intensity and the names of values; a sentence embedder for the rest.

A clause that names no value is compared with phrases of each value and of its contrary (``data/translator/phrases.yaml``). It is
taken for the value whose two nearest phrases are nearest on average, if that lies above ``THRESHOLD``. Embeddings do not
hear negations well; so these are read from the words, and only what is left of a clause is embedded.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from agents.backend import Embedder
from agents.values import SCHWARTZ_VALUES
from negotiation.errors import TargetError
from rewriter.translator.clauses import Clause, read_clauses
from rewriter.translator.lexicon import Lexicon, load_lexicon
from rewriter.vocabulary import Shift

THRESHOLD = 0.34
"""Least cosine similarity, mean of the two nearest phrases, at which a clause counts as read. Chosen on instructions that are not
among those it is measured on (``tests/unit/rewriter/translator``)."""
CONTRARY_MARGIN = 0.05
"""How much nearer the phrases of a contrary must lie than the value's own: a contrary is told in much the same words."""
_NEAREST = 2


@dataclass(frozen=True, slots=True)
class _Finding:
    """One value read in one clause.

    Attributes:
        value: index of the value.
        movement: asked for; 0 to keep it.
        line: of the explanation.
        sure: read by name, not by nearness.
    """

    value: int
    movement: float
    line: str
    sure: bool


class BundledTranslator:
    """Reads instructions clause by clause.

    Args:
        embedder: for clauses that name no value; MiniLM on the CPU, loaded when first needed, if None.
        lexicon: the words it knows; those that ship if None.
        num_threads: CPU threads of MiniLM, for the whole process; None leaves them.

    Attributes:
        name: for records.
    """

    name = "bundled translator"

    def __init__(
        self,
        embedder: Embedder | None = None,
        lexicon: Lexicon | None = None,
        num_threads: int | None = None,
    ) -> None:
        self._lexicon = lexicon or load_lexicon()
        self._given = embedder
        self._num_threads = num_threads

    @cached_property
    def _embedder(self) -> Embedder:
        if self._given is not None:
            return self._given
        from agents.embedding import load_embedder

        return load_embedder(device="cpu", num_threads=self._num_threads)

    @cached_property
    def _phrases(self) -> list[tuple[int, int, str, NDArray[np.float64]]]:
        """(value, sign, phrase, (D,) unit vector) of every phrase."""
        listed = [
            (index, sign, phrase)
            for index, value in enumerate(self._lexicon.values)
            for sign, phrases in ((1, value.for_phrases), (-1, value.against_phrases))
            for phrase in phrases
        ]
        vectors = self._embedder.embed([phrase for _, _, phrase in listed])
        return [(*entry, vector) for entry, vector in zip(listed, vectors, strict=True)]

    def translate(self, instructions: Sequence[str]) -> list[Shift]:
        """One shift an instruction, in order.

        Raises:
            TargetError: an instruction in which no value is found, or which asks for more and for less of one.
        """
        return [self._translate(instruction) for instruction in instructions]

    def _translate(self, instruction: str) -> Shift:
        clauses = read_clauses(instruction, self._lexicon)
        findings: list[_Finding] = []
        unread: list[str] = []
        for clause in clauses:
            found = [
                _finding(one.value, one.asking.movement, clause, f"{one.word!r} names it", sure=True)
                for one in clause.named
            ]
            if not found and clause.rest:
                near = self._nearest(clause)
                found = [] if near is None else [near]
            findings += found
            if not found:
                unread.append(clause.text)
        if not findings:
            raise TargetError(
                f"no value is found in the instruction {instruction.strip()!r}; name one or more of"
                f" {', '.join(SCHWARTZ_VALUES)}, such as 'more tradition, a little less stimulation'"
            )
        return _shift(instruction, findings, unread)

    def _nearest(self, clause: Clause) -> _Finding | None:
        """The value whose phrases lie nearest to the clause, if near enough."""
        vector = self._embedder.embed([clause.rest])[0]
        best: tuple[float, int, int, str] | None = None
        for value in range(len(SCHWARTZ_VALUES)):
            (own, phrase), (other, contrary) = (self._nearness(vector, value, sign) for sign in (1, -1))
            turned = other >= own + CONTRARY_MARGIN
            score = other if turned else own
            if best is None or score > best[0]:
                best = (score, value, -1 if turned else 1, contrary if turned else phrase)
        assert best is not None
        score, value, sign, phrase = best
        if score < THRESHOLD:
            return None
        how = f"near {phrase!r}, similarity {score:.2f}"
        return _finding(value, sign * clause.asking.movement + 0.0, clause, how, sure=False)

    def _nearness(self, vector: NDArray[np.float64], value: int, sign: int) -> tuple[float, str]:
        """Mean similarity of the nearest phrases of a value (or its contrary), and the nearest."""
        phrases = [
            (float(vector @ other), phrase)
            for own, pole, phrase, other in self._phrases
            if (own, pole) == (value, sign)
        ]
        nearest = sorted(phrases, reverse=True)[:_NEAREST]
        return sum(similarity for similarity, _ in nearest) / len(nearest), nearest[0][1]


def _finding(value: int, movement: float, clause: Clause, how: str, sure: bool) -> _Finding:
    asked = f"{movement:+.2f}" if movement else "kept"
    return _Finding(
        value, movement, f"{SCHWARTZ_VALUES[value]} {asked}: read in {clause.text!r} ({how})", sure
    )


def _shift(instruction: str, findings: Sequence[_Finding], unread: Sequence[str]) -> Shift:
    """All findings as one shift: of several for one value the farthest; what is read by name goes before what is near."""
    values = [0.0] * len(SCHWARTZ_VALUES)
    lines: list[str] = []
    for value, name in enumerate(SCHWARTZ_VALUES):
        own = [finding for finding in findings if finding.value == value]
        named = [finding for finding in own if finding.sure]
        own = named or own
        if not own:
            continue
        if len({np.sign(finding.movement) for finding in own}) > 1:
            told = "; ".join(finding.line for finding in own)
            raise TargetError(
                f"the instruction {instruction.strip()!r} contradicts itself about {name} ({told}); ask for one"
            )
        chosen = max(own, key=lambda finding: abs(finding.movement))
        values[value] = chosen.movement
        lines.append(chosen.line)
    lines += [f"not understood: {text!r}" for text in unread]
    return Shift(tuple(values), tuple(lines))
