"""What a rewriting needs (detector, rewriter, judge, model), by configuration: in this process, or in Ray actors."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, field_validator

from agents.models.config import (
    BundledConfig,
    ModelConfig,
    OpenAIConfig,
    TransformersConfig,
    VLLMConfig,
    load_model,
    parse_model_argument,
)
from agents.models.protocol import LanguageModel
from rewriter.injection import Injection
from rewriter.language_model_rewriter import BUNDLED, LanguageModelRewriter, RewritingConfig, rewriting_config
from rewriter.vocabulary import ConsistencyJudge, Detector, Rewriter

ADAPTER = "rewriter"
"""Name under which the rewriter's adapter is loaded."""

NO_ADAPTER = "none"
"""What ``--adapter`` takes for the bare model."""


class PartsConfig(BaseModel):
    """Which models rewrite, read and compare."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: ModelConfig = Field(default_factory=BundledConfig, description="the model that rewrites")
    adapter: str | None = Field(
        None,
        description="folder of its rewriter adapter (a served model's name at a server), or 'none'; left out: the one that ships"
        " with the bundled model, none for others",
    )
    detector: str = Field("bundled", min_length=1, description="reads values")
    consistency: str = Field("bundled", min_length=1, description="compares texts")
    temperature: float | None = Field(
        None, ge=0, description="of sampling; none: as the adapter was trained for"
    )
    samples: int = Field(
        1,
        ge=1,
        le=256,
        description="rewritings of each text; the one nearest to its aim that keeps what it says is taken",
    )
    seed: int = Field(0, ge=0, lt=2**63, description="same seed, same rewritings")

    @field_validator("model", mode="before")
    @classmethod
    def _read_model(cls, value: Any) -> Any:
        return parse_model_argument(value) if isinstance(value, str) else value

    @property
    def model_name(self) -> str:
        """For people."""
        if isinstance(self.model, BundledConfig):
            return "the bundled model"
        return self.model.model if isinstance(self.model, OpenAIConfig) else self.model.path

    @property
    def adapter_name(self) -> str:
        """For people."""
        return self.adapter or ("the one that ships" if isinstance(self.model, BundledConfig) else NO_ADAPTER)

    def adapter_path(self) -> str | None:
        """Folder or name of the adapter, or None for the bare model.

        Raises:
            ModelError: if the bundled one is wanted and missing.
        """
        if self.adapter == NO_ADAPTER:
            return None
        if self.adapter is None:
            if not isinstance(self.model, BundledConfig):
                return None
            from rewriter.bundled import bundled_rewriter_path

            return str(bundled_rewriter_path())
        folder = Path(self.adapter).expanduser()
        return str(folder.resolve()) if folder.is_dir() else self.adapter

    def loadable(self, threads: int) -> tuple[ModelConfig, str | None]:
        """The model with the rewriter's adapter alone, and the adapter's name there.

        Raises:
            ModelError: if the bundled adapter is wanted and missing.
        """
        path = self.adapter_path()
        adapters = {} if path is None else {ADAPTER: path}
        name = None if path is None else ADAPTER
        if isinstance(self.model, OpenAIConfig):
            return self.model.model_copy(update={"adapters": self.model.adapters | adapters}), name
        base: TransformersConfig | VLLMConfig
        if isinstance(self.model, BundledConfig):
            from agents.bundled import bundled_transformers_config

            base = bundled_transformers_config(self.model.model_copy(update={"adapters": ()}))
        else:
            base = self.model
            folder = Path(base.path).expanduser()
            if folder.is_dir():  # an actor may have another working directory
                base = base.model_copy(update={"path": str(folder.resolve())})
        threading = {} if base.num_threads is not None else {"num_threads": threads}
        return base.model_copy(update={"adapters": base.adapters | adapters, **threading}), name

    def rewriting(self) -> RewritingConfig:
        """Lengths, sampling and retries: those beside the adapter, else those for this kind of model."""
        path = self.adapter_path()
        otherwise = BUNDLED if isinstance(self.model, BundledConfig) else RewritingConfig()
        found = rewriting_config(None if path is None else Path(path), otherwise)
        given = {} if self.temperature is None else {"temperature": self.temperature}
        return found.model_copy(update={"seed": self.seed, **given})


@dataclass(frozen=True, slots=True)
class Parts:
    """Loaded, or proxies of what is loaded elsewhere."""

    detector: Detector
    rewriter: Rewriter
    judge: ConsistencyJudge
    model: LanguageModel
    samples: int = 1

    def injection(self) -> Injection:
        """The whole way from text to text."""
        return Injection(self.detector, self.rewriter, self.judge, samples=self.samples)


def local_parts(config: PartsConfig, threads: int = 1) -> Parts:
    """The parts in this process.

    Raises:
        ModelError: if one cannot be loaded as configured.
    """
    from rewriter.consistency import load_consistency_judge
    from rewriter.detector import load_detector

    loadable, adapter = config.loadable(threads)
    model = load_model(loadable)
    return Parts(
        detector=load_detector(config.detector, num_threads=threads),
        rewriter=LanguageModelRewriter(model, adapter, config=config.rewriting()),
        judge=load_consistency_judge(config.consistency, num_threads=threads),
        model=model,
        samples=config.samples,
    )


@contextmanager
def open_parts(config: PartsConfig, serial: bool, address: str | None) -> Iterator[Parts]:
    """The parts in this process (``serial``) or in named Ray actors.

    On a cluster that others use too the actors' names get a few letters of their own.

    Raises:
        RunError: if there is no cluster, or actors cannot be placed or loaded in time.
        ModelError: if a part cannot be loaded as configured.
    """
    if serial:
        parts = local_parts(config)
        try:
            yield parts
        finally:
            if isinstance(config.model, OpenAIConfig):
                parts.model.close()  # type: ignore[attr-defined]  # connections to a server
        return
    from cluster.ray_environment import prepare_ray

    prepare_ray(address)
    from cluster.rewriting.actors import actor_parts

    run = "rewriter" if address is None else f"rewriter-{secrets.token_hex(2)}"
    with actor_parts(config, address, run) as parts:
        yield parts
