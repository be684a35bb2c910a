"""What a training learns from: requests for GRPO, rows for SFT, and pairs from samples for DPO and SimPO."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cluster.rewriting.training_config import RewriterTrainingConfig
from rewriter.learning.config import GRPOConfig, SFTConfig
from rewriter.learning.vocabulary import Judge, SupervisedRow
from rewriter.vocabulary import RewriteRequest

if TYPE_CHECKING:
    from rewriter.vocabulary import Detector


@dataclass(frozen=True, slots=True)
class Material:
    """What is learned from.

    Attributes:
        requests: prompts of GRPO, at least as many as a step has; for DPO and SimPO those that are sampled.
        rows: of SFT.
    """

    requests: tuple[RewriteRequest, ...] = ()
    rows: tuple[SupervisedRow, ...] = ()

    def fingerprint(self) -> str:
        """Of all texts and numbers; tells other material."""
        digest = hashlib.sha256()
        for request in self.requests:
            digest.update(json.dumps([request.source, request.before, request.target]).encode())
        for row in self.rows:
            digest.update(json.dumps([row.request.source, row.request.target, row.answer]).encode())
        return digest.hexdigest()[:16]


def read_material(config: RewriterTrainingConfig) -> Material:
    """Read the folder of data; what takes long is kept in ``config.material``.

    Raises:
        ConfigurationError: if the data are missing or of another form.
    """
    from rewriter.consistency import load_consistency_judge
    from rewriter.pairs.material import training_requests, training_rows

    detector = _detector(config)
    learning = config.learning
    if isinstance(learning, SFTConfig):
        judge = load_consistency_judge(config.consistency)
        return Material(
            rows=tuple(training_rows(config.data, config.material, detector, judge, config.pairs))
        )
    count = learning.steps * learning.prompts if isinstance(learning, GRPOConfig) else config.samples.prompts
    return Material(
        requests=tuple(
            training_requests(config.data, count, learning.seed, config.material, detector, config.requests)
        )
    )


def make_judge(config: RewriterTrainingConfig) -> Judge:
    """What a reward actor holds."""
    import torch

    from rewriter.consistency import load_consistency_judge
    from rewriter.learning.reward import RewriteJudge

    torch.set_num_threads(config.threads)
    consistency = load_consistency_judge(config.consistency, device=config.device, num_threads=config.threads)
    return RewriteJudge(_detector(config), consistency, config.reward)


def _detector(config: RewriterTrainingConfig) -> Detector:
    from rewriter.detector import load_detector

    return load_detector(config.detector, num_threads=config.threads)
