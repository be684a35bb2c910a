"""The models behind a server, as plain classes: one that generates, one that reads, embeds and rewrites."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from agents.embedding import MINILM, MINILM_MAX_TOKENS, checked_minilm_folder, load_embedder
from agents.models.config import AnyModelConfig, BundledConfig, TransformersConfig, load_model
from agents.models.protocol import Generation, GenerationRequest, LanguageModel
from agents.values import SCHWARTZ_VALUES
from cluster.rewriting.rewrite_parts import PartsConfig
from cluster.serving.config import ServeConfig
from cluster.serving.core import adapters_of
from cluster.serving.schema import Values
from cluster.serving.services import Embedded, RewriteJob
from negotiation.errors import ConcordatError, ConfigurationError
from rewriter.injection import Failure, Injection
from rewriter.language_model_rewriter import LanguageModelRewriter
from rewriter.targets import PolicyText, policy_values
from rewriter.vocabulary import RewriteRequest, Rewriting, Shift, ValueReading

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Loadable:
    """A model that a replica loads.

    Attributes:
        config: with the adapters that are always there.
        shelf: where the others are, by name; loaded when they are asked for.
        rewriter: name of the rewriter's adapter in it, None for the bare model; of no meaning if another model rewrites.
    """

    config: AnyModelConfig
    shelf: Mapping[str, str]
    rewriter: str | None


def loadable(config: ServeConfig, threads: int = 1) -> tuple[Loadable, Loadable | None]:
    """The base model, and the rewriter's if that is another.

    Raises:
        ModelError: if the bundled rewriter adapter is wanted and missing.
    """
    parts = config.parts()
    shares = parts.model == config.model
    if not shares:
        model, name = parts.loadable(threads)
        base, _ = PartsConfig(model=config.model, adapter="none").loadable(threads)
        return _shelved(base, config.model, None), Loadable(model, {}, name)
    model, name = parts.loadable(threads)
    return _shelved(model, config.model, name), None


def _shelved(model: AnyModelConfig, asked: AnyModelConfig, rewriter: str | None) -> Loadable:
    """Adapters of a model in this process are loaded when they are needed, those of others from the start."""
    if not isinstance(asked, (BundledConfig, TransformersConfig)):
        return Loadable(model, {}, rewriter)
    assert isinstance(model, TransformersConfig)
    shelf = adapters_of(asked)
    kept = {name: path for name, path in model.adapters.items() if name not in shelf}
    return Loadable(model.model_copy(update={"adapters": kept}), shelf, rewriter)


class ModelHost:
    """A language model with a shelf of adapters.

    Args:
        loadable: which.

    Raises:
        ModelError: if it cannot be loaded.
    """

    def __init__(self, loadable: Loadable) -> None:
        self._shelf = dict(loadable.shelf)
        self.model: LanguageModel = load_model(loadable.config)
        self._lock = threading.Lock()

    def add(self, name: str) -> None:
        """Load an adapter of the shelf, if it is not loaded."""
        with self._lock:
            if name in self._shelf and name not in self._model.adapters:
                self._model.add_adapter(name, self._shelf[name])

    def remove(self, name: str) -> None:
        """Let an adapter go, if it is loaded."""
        with self._lock:
            if name in self._model.adapters:
                self._model.remove_adapter(name)

    def generate(
        self, groups: Sequence[Sequence[GenerationRequest]]
    ) -> list[list[Generation] | ConcordatError]:
        """Replies to several callers' requests in one batch; what one caller's requests cause reaches only that one."""
        needed = {one.adapter for group in groups for one in group if one.adapter in self._shelf}
        for name in sorted(filter(None, needed)):  # it may have been let go since its request came in
            self.add(name)
        try:
            with self._lock:
                replies = iter(self.model.generate([one for group in groups for one in group]))
            return [[next(replies) for _ in group] for group in groups]
        except ConfigurationError as error:
            if len(groups) == 1:
                return [error]
            return [self.generate([group])[0] for group in groups]
        except ConcordatError as error:
            return [error for _ in groups]

    @property
    def _model(self) -> Any:
        return self.model


class ReadingHost:
    """Reads values, compares, embeds, translates and rewrites.

    Args:
        config: of the server.
        model: the model that rewrites.
        rewriter: name of the rewriter's adapter there.
        threads: of its arithmetic.

    Raises:
        ModelError: if a part cannot be loaded.
    """

    def __init__(
        self, config: ServeConfig, model: LanguageModel, rewriter: str | None, threads: int = 1
    ) -> None:
        from rewriter.consistency import load_consistency_judge
        from rewriter.detector import load_detector
        from rewriter.translator import load_translator

        parts = config.parts()
        self._config = config
        self._detector = _Locked(load_detector(parts.detector, num_threads=threads))
        self._judge = _Locked(load_consistency_judge(parts.consistency, num_threads=threads))
        self._embedder = _Locked(load_embedder(config.embedder, device="cpu", num_threads=threads))
        self._translator = _Locked(load_translator(config.translator, num_threads=threads))
        self._injection = Injection(
            self._detector,
            LanguageModelRewriter(model, rewriter, config=parts.rewriting()),
            self._judge,
            samples=parts.samples,
        )

    def read(self, texts: Sequence[str]) -> list[ValueReading]:
        """The values of texts; ``TextError`` for a blank one, by its place."""
        return self._injection.read(texts)

    def policy_values(self, policy: PolicyText) -> Values:
        """The values of a policy."""
        values, _ = policy_values(policy, self._detector)
        return dict(zip(SCHWARTZ_VALUES, values, strict=True))

    def embed(self, texts: Sequence[str]) -> Embedded:
        """The vectors of texts, and their tokens."""
        vectors = self._embedder.embed(texts)
        return Embedded(vectors, sum(map(self._tokens, texts)))

    def translate(self, instruction: str) -> Shift:
        """What words ask for; ``TargetError`` if that is nothing."""
        shift: Shift = self._translator.translate([instruction])[0]
        return shift

    def rewrite(self, jobs: Sequence[RewriteJob]) -> list[Rewriting | Failure]:
        """One outcome a job, all in one batch."""
        readings = self.read([job.text for job in jobs])
        requests = [
            RewriteRequest(job.text, reading.values, job.wanted.target(reading.values), job.seed)
            for job, reading in zip(jobs, readings, strict=True)
        ]
        return list(self._injection.move(requests).outcomes)

    def _tokens(self, text: str) -> int:
        if self._tokenizer is None:
            return len(text.split())
        return min(len(self._tokenizer.encode(text).ids), MINILM_MAX_TOKENS)

    @cached_property
    def _tokenizer(self) -> Any:
        """Of the embedder that ships; others do not show theirs, so that words are counted."""
        if self._config.embedder.lower() != MINILM:
            return None
        from tokenizers import Tokenizer

        tokenizer = Tokenizer.from_file(str(checked_minilm_folder() / "tokenizer.json"))
        tokenizer.no_padding()
        tokenizer.no_truncation()
        return tokenizer


class _Locked:
    """A part that several threads use, one at a time."""

    def __init__(self, part: Any) -> None:
        self._part, self._lock = part, threading.Lock()
        self.name = part.name

    def __getattr__(self, method: str) -> Any:
        inner = getattr(self._part, method)

        def call(*arguments: Any) -> Any:
            with self._lock:
                return inner(*arguments)

        return call
