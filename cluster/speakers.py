"""Which model speaks for which culture: the run's model with that culture's adapter."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from agents.bundled import bundled_adapters, bundled_transformers_config
from agents.models.config import BundledConfig, ModelConfig, OpenAIConfig
from cluster import __version__
from cluster.config import RunConfig
from negotiation.errors import ModelError

SHIPPED = "shipped"
"""What records say of an adapter that comes with the bundled model."""


SHARED = "agents"
"""What the models of all cultures are asked through where they share actors."""


@dataclass(frozen=True, slots=True)
class Speaker:
    """A culture's voice.

    Attributes:
        culture: its id; also the adapter's name.
        adapter: where the adapter is, ``"shipped"`` for one of the bundled model, None for the bare model.
    """

    culture: str
    adapter: str | None


def speakers(config: RunConfig) -> tuple[Speaker, ...]:
    """The voices of a run, in player order; the run's own adapters go over those of the model's settings.

    Raises:
        ModelError: if an adapter is given for a culture that does not take part.
    """
    strangers = sorted(set(config.adapters) - set(config.cultures))
    if strangers:
        raise ModelError(
            f"adapters: {', '.join(strangers)} takes no part in this run;"
            f" its cultures are {', '.join(config.cultures)}"
        )
    known = _own_adapters(config.model) | config.adapters
    return tuple(Speaker(culture, known.get(culture)) for culture in config.cultures)


def channels(config: RunConfig) -> dict[str, str]:
    """What each culture's model is asked through: its own name, or one for all if they share actors."""
    shared = config.resources.actors == "shared"
    return {culture: SHARED if shared else culture for culture in config.cultures}


def _own_adapters(model: ModelConfig) -> dict[str, str]:
    if isinstance(model, BundledConfig):
        return dict.fromkeys(bundled_adapters(), SHIPPED)
    return dict(model.adapters)


def model_of(config: RunConfig, voices: Sequence[Speaker]) -> ModelConfig:
    """The run's model with the adapters of these voices, and no others.

    Raises:
        ModelError: if a local folder that is named is not there.
    """
    named = {voice.culture: voice.adapter for voice in voices if voice.adapter is not None}
    if isinstance(config.model, OpenAIConfig):
        return config.model.model_copy(update={"adapters": named})
    threads = {} if config.model.num_threads is not None else {"num_threads": config.resources.threads}
    if not isinstance(config.model, BundledConfig):
        path = _folder("model", config.model.path)
        return config.model.model_copy(update={"path": path, "adapters": _folders(named), **threads})
    shipped = tuple(culture for culture, path in named.items() if path == SHIPPED)
    bundled = config.model.model_copy(update={"adapters": shipped, **threads})
    others = {culture: path for culture, path in named.items() if path != SHIPPED}
    if not others:
        return bundled
    plain = bundled_transformers_config(bundled)
    return plain.model_copy(update={"adapters": plain.adapters | _folders(others)})


def provenance(voices: Sequence[Speaker], model_name: str) -> dict[str, str]:
    """What records say of where their words came from."""
    adapters = {f"adapter:{voice.culture}": voice.adapter for voice in voices if voice.adapter is not None}
    return {"concordat": __version__, "model": model_name, **adapters}


def _folders(adapters: dict[str, str]) -> dict[str, str]:
    return {culture: _folder(f"adapter of {culture}", path) for culture, path in adapters.items()}


def _folder(what: str, path: str) -> str:
    """A local folder in full, since an actor may have another working directory; other names as they are.

    Tells of a path that can only be meant as a folder and is not there; hub names have one slash at most.
    """
    folder = Path(path).expanduser()
    if folder.is_dir():
        return str(folder.resolve())
    if path.startswith((".", "/", "~")) or path.count("/") > 1:
        raise ModelError(f"{what}: no folder {path}; give a folder in transformers' format or a hub name")
    return path
