"""Supervised pairs by rule: a source, and a text on the same topic that keeps much of it and has other values.

- *real*: two units on one topic that are near in meaning;
- *constructed*: a unit with some of its sentences, or of their last clauses, exchanged for or joined by those of other units
  on the topic, by a search that comes nearer to a drawn target with each exchange;
- *identity*: a unit and itself.

The target is always what the detector reads in the answer (hindsight relabelling, Andrychowicz et al. 2017, arXiv 1707.01495):
every pair shows a movement that was made, so none can ask for what cannot be had. Constructed pairs teach to copy what stays
and to write what moves.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from rewriter.learning.vocabulary import SupervisedRow
from rewriter.pairs.config import SupervisedConfig
from rewriter.pairs.requests import make_requests
from rewriter.pairs.units import Unit, read_texts
from rewriter.sentences import split_sentences
from rewriter.vocabulary import ConsistencyJudge, Detector, RewriteRequest, ValueVector

logger = logging.getLogger(__name__)

Origin = Literal["real", "constructed", "identity"]
Embed = Callable[[Sequence[str]], NDArray[np.float64]]
"""Texts to (n, D) unit rows."""

_LAST_CLAUSE = re.compile(
    r",\s(?:\w{2,}ing|as|which|while|thereby|because|so that|where)\b(?:(?!,\s(?:\w{2,}ing|as|which|while|thereby)\b).)*[.!?]$"
)

JUDGE_BATCH = 256
"""Pairs handed to a consistency judge at once."""


@dataclass(frozen=True, slots=True)
class SupervisedPair:
    """A row to learn, and how it was made."""

    row: SupervisedRow
    topic_id: int
    origin: Origin

    @property
    def movement(self) -> float:
        """Length of the movement from source to answer."""
        request = self.row.request
        return float(np.linalg.norm(np.array(request.target) - np.array(request.before)))


def supervised_pairs(
    units: Sequence[Unit],
    detector: Detector,
    consistency: ConsistencyJudge,
    embed: Embed,
    config: SupervisedConfig | None = None,
) -> list[SupervisedPair]:
    """Make pairs, and keep those that move values and keep their source.

    Args:
        units: of the topics to learn from.
        detector: that read the units; it reads the constructed texts.
        consistency: compares source and answer.
        embed: sentence embedder, for real pairs.
        config: numbers and bounds; the default one if None.

    Returns:
        Pairs in a random order of the seed.
    """
    config = config or SupervisedConfig()
    rng = np.random.default_rng(config.seed)
    drafts = real_pairs(units, embed, config)
    made = constructed_units(units, detector, config)
    # Some are learned the other way round, so that whole texts are written as well as mixed ones.
    turned = rng.random(len(made)) < config.turned_share
    drafts += [
        _pair(found, source.text, source.values, "constructed")
        if turn
        else _pair(source, found.text, found.values, "constructed")
        for turn, (source, found) in zip(turned, made, strict=True)
    ]
    moved = [draft for draft in drafts if draft.movement >= config.least_movement]
    kept = _consistent(moved, consistency, config.consistency)
    same = round(len(kept) * config.identity_share / (1.0 - config.identity_share))
    places = rng.permutation(len(units))[:same]
    kept += [_pair(units[place], units[place].text, units[place].values, "identity") for place in places]
    return [kept[place] for place in rng.permutation(len(kept))]


def real_pairs(units: Sequence[Unit], embed: Embed, config: SupervisedConfig) -> list[SupervisedPair]:
    """Pairs of units on one topic that are near in meaning and differ in values, the nearest first; both directions."""
    if not config.real:
        return []
    by_topic = _by_topic(units)
    found: list[tuple[float, Unit, Unit]] = []
    for everybody in by_topic.values():
        members = everybody[: config.real_per_topic]
        if len(members) < 2:
            continue
        rows = embed([unit.text for unit in members])
        near = rows @ rows.T
        values = np.array([unit.values for unit in members])
        apart = np.linalg.norm(values[:, None] - values[None], axis=2)
        for i, j in np.argwhere(np.triu((near >= config.similarity) & (apart >= config.least_movement), k=1)):
            found.append((float(near[i, j]), members[i], members[j]))
    found.sort(key=lambda entry: (-entry[0], entry[1].text, entry[2].text))
    both = [pair for _, a, b in found[: -(-config.real // 2)] for pair in ((a, b), (b, a))]
    return [_pair(source, answer.text, answer.values, "real") for source, answer in both[: config.real]]


def constructed_units(
    units: Sequence[Unit], detector: Detector, config: SupervisedConfig
) -> list[tuple[Unit, Unit]]:
    """(source, what was made of it): ``constructed`` searches, less those that found nothing.

    A search starts at a unit and a target, drawn as requests are. In each of ``edits`` rounds, ``draws`` texts are made of the
    one at hand, each with something exchanged (clauses in two of five, sentences in the others); the one that the detector reads
    nearest to the target is kept, if it is nearer than the one at hand. All searches go side by side.
    """
    rng = np.random.default_rng([config.seed, 1])
    by_topic = _by_topic(units)
    sources = {(unit.topic_id, unit.text): unit for unit in units}
    asked = make_requests(units, config.constructed, config.seed, config.asked) if config.constructed else []
    targets = [np.array(one.request.target) for one in asked]
    begun = [sources[one.topic_id, one.request.source] for one in asked]
    at_hand = list(begun)
    for _ in range(config.edits):
        drawn = [_edited(unit, by_topic[unit.topic_id], rng) for unit in at_hand for _ in range(config.draws)]
        read = read_texts(detector, drawn)
        for place, target in enumerate(targets):
            candidates = [at_hand[place], *read[place * config.draws : (place + 1) * config.draws]]
            distances = [float(np.linalg.norm(np.array(unit.values) - target)) for unit in candidates]
            at_hand[place] = candidates[int(np.argmin(distances))]
    return [(source, made) for source, made in zip(begun, at_hand, strict=True) if made.text != source.text]


def _edited(unit: Unit, members: Sequence[Unit], rng: np.random.Generator) -> tuple[int, str]:
    """(topic id, text) of a unit with something exchanged for what another unit on the topic says."""
    donor = members[int(rng.integers(len(members)))]
    change = exchange_clauses if rng.random() < 0.4 else exchange
    return unit.topic_id, change(split_sentences(unit.text), split_sentences(donor.text), rng)


def exchange(source: Sequence[str], donor: Sequence[str], rng: np.random.Generator) -> str:
    """A source's sentences with some exchanged for, or joined by, a donor's.

    With one sentence the donor's is added. With more, all but one may be replaced (three times in four), or one is added. Added
    sentences come after the first one at the earliest: openings answer the question.
    """
    kept = list(source)
    others = [sentence for sentence in donor if sentence not in kept]
    if not others:
        return " ".join(kept)
    if len(kept) == 1 or rng.random() < 0.25:
        kept.insert(int(rng.integers(1, len(kept) + 1)), others[rng.integers(len(others))])
        return " ".join(kept)
    number = int(rng.integers(1, min(len(others), len(kept) - 1) + 1))
    places = rng.choice(len(kept), size=number, replace=False)
    chosen = rng.choice(len(others), size=number, replace=False)
    for place, sentence in zip(sorted(places), chosen, strict=True):
        kept[place] = others[sentence]
    return " ".join(kept)


def exchange_clauses(source: Sequence[str], donor: Sequence[str], rng: np.random.Generator) -> str:
    """A source's sentences with their last clauses exchanged for a donor's, or with such a clause put behind them.

    A last clause is what follows the last comma before a participle or a word such as "which": it says what a claim is good
    for, which is where values stand. One sentence is changed or more, each with another clause.

    >>> exchange_clauses(["Roads matter."], ["We pay, ensuring order."], np.random.default_rng(0))
    'Roads matter, ensuring order.'
    """
    kept = list(source)
    clauses = [found.group() for found in map(_LAST_CLAUSE.search, donor) if found]
    clauses = [clause for clause in dict.fromkeys(clauses) if not any(clause in own for own in kept)]
    if not clauses:
        return " ".join(kept)
    number = int(rng.integers(1, min(len(clauses), len(kept)) + 1))
    places = rng.choice(len(kept), size=number, replace=False)
    chosen = rng.choice(len(clauses), size=number, replace=False)
    for place, clause in zip(sorted(places), chosen, strict=True):
        bare = _LAST_CLAUSE.sub("", kept[place])
        kept[place] = bare.rstrip(" .!?,;:") + clauses[clause]
    return " ".join(kept)


def _consistent(
    drafts: Sequence[SupervisedPair], judge: ConsistencyJudge, bound: float
) -> list[SupervisedPair]:
    kept: list[SupervisedPair] = []
    for start in range(0, len(drafts), JUDGE_BATCH):
        part = drafts[start : start + JUDGE_BATCH]
        judged = judge.judge([(draft.row.request.source, draft.row.answer) for draft in part])
        kept += [draft for draft, found in zip(part, judged, strict=True) if found.mean >= bound]
        logger.info("judged %d of %d pairs", start + len(part), len(drafts))
    return kept


def _by_topic(units: Sequence[Unit]) -> dict[int, list[Unit]]:
    by_topic: dict[int, list[Unit]] = {}
    for unit in units:
        by_topic.setdefault(unit.topic_id, []).append(unit)
    return by_topic


def _pair(source: Unit, answer: str, values: ValueVector, origin: Origin) -> SupervisedPair:
    request = RewriteRequest(source.text, source.values, values)
    return SupervisedPair(SupervisedRow(request, answer), source.topic_id, origin)
