"""What each method is trained on, from a folder of data in one call; and the requests that all are measured on."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from rewriter.pairs.config import RequestConfig, SupervisedConfig, UnitConfig

if TYPE_CHECKING:
    from rewriter.learning.vocabulary import SupervisedRow
    from rewriter.pairs.requests import AskedUnit
    from rewriter.pairs.units import Units
    from rewriter.vocabulary import ConsistencyJudge, Detector, RewriteRequest


def load_units(
    data: Path, work: Path | None, detector: Detector | None = None, config: UnitConfig | None = None
) -> Units:
    """Units as the shipped detector reads them, or another one."""
    from rewriter.pairs.units import read_units

    return read_units(data, detector or _detector(), work, config)


def training_requests(
    data: Path,
    count: int,
    seed: int,
    work: Path | None,
    detector: Detector | None = None,
    config: RequestConfig | None = None,
) -> list[RewriteRequest]:
    """Requests on training topics: the prompts of GRPO, and of the samples that preference pairs are made of."""
    from rewriter.pairs.requests import make_requests

    units = load_units(data, work, detector)
    return [one.request for one in make_requests(units.training, count, seed, config)]


def held_out_requests(
    data: Path,
    count: int,
    seed: int,
    work: Path | None,
    detector: Detector | None = None,
    config: RequestConfig | None = None,
) -> list[AskedUnit]:
    """Requests on topics that nothing was trained on."""
    from rewriter.pairs.requests import make_requests

    return make_requests(load_units(data, work, detector).held_out, count, seed, config)


def training_rows(
    data: Path,
    work: Path | None,
    detector: Detector | None = None,
    judge: ConsistencyJudge | None = None,
    config: SupervisedConfig | None = None,
) -> list[SupervisedRow]:
    """Rows of supervised fine-tuning on training topics. Kept in ``work``: the next call with the same settings reads them."""
    from agents.embedding import load_embedder
    from rewriter.pairs.storage import keep_pairs, pairs_path, read_pairs
    from rewriter.pairs.supervised import supervised_pairs

    config = config or SupervisedConfig()
    detector, judge = detector or _detector(), judge or _judge()
    units = load_units(data, work, detector).training
    path = None if work is None else pairs_path(work, units, judge.name, config)
    if path is not None and path.is_file():
        return [pair.row for pair in read_pairs(path)]
    pairs = supervised_pairs(units, detector, judge, load_embedder().embed, config)
    if path is not None:
        keep_pairs(path, pairs)
    return [pair.row for pair in pairs]


def _detector() -> Detector:
    from rewriter.detector import load_detector

    return load_detector()


def _judge() -> ConsistencyJudge:
    from rewriter.consistency import load_consistency_judge

    return load_consistency_judge()
