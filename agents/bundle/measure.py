"""What the finished bundle can do, measured on topics it was not trained on.

All of it goes through the same code as a negotiation: the exported files, the prompts, ``TransformersModel`` and the strict
parser.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agents.asking import SpeakingConfig
from agents.bundle.corpus import TASKS, Corpus, Example, grounded, on_topic
from agents.bundle.tokenize import END, load_tokenizer
from agents.cultures import load_cultures
from agents.models.config import TransformersConfig
from agents.models.protocol import Generation, GenerationRequest, ScoringRequest
from agents.models.transformers_model import TransformersModel
from agents.parsing import parse_guideline
from negotiation.errors import MalformedReplyError

COPY_TOKENS = 20
"""A run of more tokens than this that also stands in a training answer counts as copied."""
ADAPTER_ROWS = 100
"""Validation texts per culture on which the adapters are compared."""


def measure(bundle: Path, corpus: Corpus, *, samples: int, seed: int) -> dict[str, Any]:
    """All figures of the model card.

    Args:
        bundle: folder of the exported model with its adapters.
        corpus: what it was trained on and what was held out.
        samples: number of guidelines to write for the figures on generated text.
        seed: of the choice of texts and of the sampling.
    """
    cultures = [culture.id for culture in load_cultures()]
    config = TransformersConfig(
        path=str(bundle),
        adapters={culture: str(bundle / "adapters" / culture) for culture in cultures},
        dtype="float32",
        max_batch=64,
    )
    model = TransformersModel(config)
    return {
        "loss": losses(model, corpus.validation),
        "adapters": adapter_losses(model, corpus.validation, cultures, np.random.default_rng(seed)),
        "guidelines": guideline_figures(model, bundle, corpus, samples, np.random.default_rng([seed, 1])),
    }


def losses(model: TransformersModel, examples: Sequence[Example]) -> dict[str, dict[str, float]]:
    """Base model's loss on held-out topics by task and in all: nats a token, bits a character, texts; lower is better.

    End tokens are not counted (they are easy, and would flatter short texts).
    """
    scores = model.score([ScoringRequest(example.messages, example.answer) for example in examples])
    table = {}
    for task in ("all", *TASKS):
        chosen = [k for k, example in enumerate(examples) if task in ("all", example.task)]
        if not chosen:
            continue
        nats = -sum(scores[k].logprob for k in chosen)
        table[task] = {
            "nats_per_token": nats / sum(scores[k].tokens for k in chosen),
            "bits_per_character": nats / np.log(2) / sum(len(examples[k].answer) for k in chosen),
            "texts": len(chosen),
        }
    return table


def adapter_losses(
    model: TransformersModel, examples: Sequence[Example], cultures: Sequence[str], rng: np.random.Generator
) -> dict[str, dict[str, float]]:
    """For each culture's held-out texts: nats a token under its own adapter, the mean of the others, and the base.

    The prompts show the culture's figures, but not to the base, which was trained without them.
    """
    table = {}
    for culture in cultures:
        mine = [example for example in examples if example.culture == culture]
        chosen = [mine[index] for index in rng.permutation(len(mine))[:ADAPTER_ROWS]]
        by_adapter = {}
        for adapter in (*cultures, None):
            shown = chosen if adapter is None else grounded(chosen)
            scores = model.score([ScoringRequest(e.messages, e.answer, adapter) for e in shown])
            by_adapter[adapter] = -sum(s.logprob for s in scores) / sum(s.tokens for s in scores)
        others = [value for name, value in by_adapter.items() if name not in (culture, None)]
        table[culture] = {
            "own": by_adapter[culture],
            "others": float(np.mean(others)),
            "best_other": min(others),
            "base": by_adapter[None],
            "texts": len(chosen),
        }
    return table


def guideline_figures(
    model: TransformersModel, bundle: Path, corpus: Corpus, samples: int, rng: np.random.Generator
) -> dict[str, float]:
    """Guidelines written as agents speak (temperature 0.8), each by its culture's adapter, and the published ones beside.

    ``well_formed`` is before any retry; ``on_topic`` is chance at 0.5; ``copied`` is the share of texts with a run of more
    than ``COPY_TOKENS`` tokens that also stands in a training answer.
    """
    speaking = SpeakingConfig()
    prompts = [example for example in corpus.validation if example.task == "candidate"]
    chosen = [prompts[index] for index in rng.permutation(len(prompts))[:samples]]
    replies = model.generate(
        [
            GenerationRequest(
                example.messages,
                speaking.guideline_tokens,
                speaking.temperature,
                speaking.top_p,
                int(rng.integers(2**31)),
                example.culture,
            )
            for example in grounded(chosen)
        ]
    )
    formed = [_well_formed(reply) for reply in replies]
    copies = CopyFinder([example.answer for example in corpus.training], bundle)
    texts = [reply.text for reply in replies]
    headings = [text.split("\n")[0] for text in texts]
    own, published = _topic_shares(
        [example.topic for example in chosen], (texts, [example.answer for example in chosen]), corpus
    )
    return {
        "samples": len(chosen),
        "well_formed": float(np.mean(formed)),
        "on_topic": float(own.mean()),
        "on_topic_published": float(published.mean()),
        "copied": float(np.mean([copies.copied(text) for text in texts])),
        "copied_published": float(np.mean([copies.copied(example.answer) for example in chosen])),
        "distinct_headings": len(set(headings)) / len(headings),
        "words": float(np.mean([len(text.split()) for text in texts])),
        "words_published": float(np.mean([len(example.answer.split()) for example in chosen])),
    }


def _well_formed(reply: Generation) -> bool:
    try:
        parse_guideline(reply.text, "innovative")
    except MalformedReplyError:
        return False
    return reply.finish == "stop"


def _topic_shares(
    topics: Sequence[str], versions: Sequence[Sequence[str]], corpus: Corpus
) -> list[NDArray[np.float64]]:
    """``on_topic`` of several versions of the texts on the same topics."""
    from agents.embedding import load_embedder

    embedder = load_embedder()
    every = sorted({example.topic for example in (*corpus.training, *corpus.validation)})
    place = {topic: index for index, topic in enumerate(every)}
    vectors, own = embedder.embed(every), np.array([place[topic] for topic in topics])
    return [on_topic(embedder.embed(texts), vectors, own) for texts in versions]


class CopyFinder:
    """Finds runs of more than ``COPY_TOKENS`` tokens that stand in one of the texts it was made from.

    Runs are compared by a 64-bit polynomial hash: a false alarm has a chance of about one in 10^12 a run.
    """

    def __init__(self, texts: Sequence[str], tokenizer_folder: Path) -> None:
        self._tokenizer = load_tokenizer(tokenizer_folder).backend_tokenizer
        self._known = np.unique(np.concatenate([self._hashes(ids) for ids in self._encode(texts)]))

    def copied(self, text: str) -> bool:
        """Whether the text holds such a run."""
        hashes = self._hashes(self._encode([text])[0])
        places = np.searchsorted(self._known, hashes).clip(max=len(self._known) - 1)
        return bool((self._known[places] == hashes).any())

    def _encode(self, texts: Sequence[str]) -> list[NDArray[np.uint64]]:
        encoded = self._tokenizer.encode_batch(
            [text.removesuffix(END) for text in texts], add_special_tokens=False
        )
        return [np.array(item.ids, dtype=np.uint64) for item in encoded]

    @staticmethod
    def _hashes(ids: NDArray[np.uint64]) -> NDArray[np.uint64]:
        """(max(0, T - COPY_TOKENS),) hashes of all runs of COPY_TOKENS + 1 tokens."""
        count = max(0, len(ids) - COPY_TOKENS)
        hashes = np.zeros(count, dtype=np.uint64)
        for offset in range(COPY_TOKENS + 1):
            # Wraps around modulo 2^64, as a polynomial hash is meant to; tokens are mixed so that small ids spread.
            token = (ids[offset : offset + count] + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
            hashes = hashes * np.uint64(0x100000001B3) + (token ^ (token >> np.uint64(29)))
        return hashes
