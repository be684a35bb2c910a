"""Who scores statements for a culture: the model and adapter that spoke for it in the run, unless another is asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from agents.bundled import bundled_adapters
from agents.cultures import get_culture
from agents.metrics.perplexity import Voice
from agents.models.config import BundledConfig, ModelConfig, OpenAIConfig, load_model
from cluster.comparison.config import CompareConfig
from cluster.comparison.sources import Source
from cluster.config import ResourcesConfig, RunConfig
from cluster.runfolder import read_settings
from cluster.settings import validate
from cluster.speakers import SHIPPED, Speaker, model_of, speakers
from negotiation.errors import ConfigurationError

BUNDLED_MODEL = "the bundled model"
"""What reports call it."""


@dataclass(frozen=True, slots=True)
class Casting:
    """Which model scores for which culture.

    Attributes:
        model: its settings.
        speakers: one a culture.
        name: for the report.
        threads: of its arithmetic.
    """

    model: ModelConfig
    speakers: tuple[Speaker, ...] = field(default=())
    threads: int = 1

    @property
    def name(self) -> str:
        """Of the model, for the report."""
        if isinstance(self.model, BundledConfig):
            return BUNDLED_MODEL
        return self.model.model if isinstance(self.model, OpenAIConfig) else self.model.path


def cast(config: CompareConfig, sources: Sequence[Source]) -> Casting:
    """Choose the model.

    Raises:
        ConfigurationError: if the runs had different models, and none is asked for; or a run's settings cannot be read.
    """
    cultures = sorted(
        {player for source in sources for outcome in source.outcomes for player in outcome.players}
    )
    if config.model is not None or all(source.published for source in sources):
        model = config.model or BundledConfig()
        own = (
            dict.fromkeys(bundled_adapters(), SHIPPED) if isinstance(model, BundledConfig) else model.adapters
        )
        known = {**own, **config.adapters}
        return Casting(model, tuple(Speaker(name, known.get(name)) for name in cultures), config.threads)
    casts: list[tuple[str, ModelConfig, dict[str, str | None]]] = []
    for source in sources:
        if not source.published:
            run = validate(RunConfig, read_settings(source.path), f"{source.path}/config.yaml")
            casts.append((str(source.path), run.model, {one.culture: one.adapter for one in speakers(run)}))
    path, model, voices = casts[0]
    for other_path, other, others in casts[1:]:
        same = other == model and all(
            voices.get(name, adapter) == adapter for name, adapter in others.items()
        )
        if not same:
            raise ConfigurationError(
                f"{path} and {other_path} had different models or adapters; say with --model which one scores for all"
            )
        voices |= others
    chosen = {**voices, **config.adapters}
    return Casting(model, tuple(Speaker(name, chosen.get(name)) for name in cultures), config.threads)


def load_voices(casting: Casting) -> dict[str, Voice]:
    """Load the model, and give each culture its voice.

    Raises:
        ModelError: if it cannot be loaded as configured.
    """
    # Only what ``model_of`` looks at: a whole run's settings would need questions too.
    resources = ResourcesConfig(threads=casting.threads)
    run = RunConfig.model_construct(cultures=(), topics=(), model=casting.model, resources=resources)
    shown = {speaker.culture: get_culture(speaker.culture) for speaker in casting.speakers}
    if isinstance(casting.model, OpenAIConfig):
        return {
            one.culture: Voice(
                shown[one.culture],
                load_model(model_of(run, [one])),
                None if one.adapter is None else one.culture,
            )
            for one in casting.speakers
        }
    model = load_model(model_of(run, casting.speakers))
    return {
        one.culture: Voice(shown[one.culture], model, None if one.adapter is None else one.culture)
        for one in casting.speakers
    }
