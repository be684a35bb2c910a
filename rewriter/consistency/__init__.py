"""Whether a rewriting says what its source says: forward, nothing invented; backward, nothing lost."""

from __future__ import annotations

from typing import TYPE_CHECKING

from negotiation.errors import ModelError

if TYPE_CHECKING:
    from rewriter.vocabulary import ConsistencyJudge

BUNDLED = "bundled"
NLI_PREFIX = "nli:"


def load_consistency_judge(
    name: str = BUNDLED, *, device: str = "auto", num_threads: int | None = None
) -> ConsistencyJudge:
    """The judge of this name.

    Args:
        name: ``"bundled"`` for token matching in the MiniLM embedder, which needs no download; or ``"nli:"`` and the folder or
            hub name of any transformers model for natural language inference.
        device: ``"auto"`` for a GPU if there is one, else the CPU; or a torch device.
        num_threads: CPU threads of torch for the whole process; None leaves them.

    Raises:
        ModelError: if there is no such judge, or it cannot be loaded.
    """
    if name == BUNDLED:
        from rewriter.consistency.matching import EmbeddingMatchJudge

        return EmbeddingMatchJudge(device=device, num_threads=num_threads)
    if name.startswith(NLI_PREFIX) and len(name) > len(NLI_PREFIX):
        from rewriter.consistency.entailment import EntailmentJudge

        return EntailmentJudge(name.removeprefix(NLI_PREFIX), device=device, num_threads=num_threads)
    raise ModelError(
        f"no consistency judge {name!r}; use {BUNDLED!r}, or {NLI_PREFIX}NAME with a transformers model for inference"
    )
