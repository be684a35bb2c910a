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
        proposer: where its learned oracle's adapter is; None if it has none.
    """

    culture: str
    adapter: str | None
    proposer: str | None = None

    @property
    def adapters(self) -> dict[str, str]:
        """Where the adapters are, by their names in the model."""
        named = {self.culture: self.adapter, proposer_name(self.culture): self.proposer}
        return {name: place for name, place in named.items() if place is not None}


def proposer_name(culture: str) -> str:
    """Name of the adapter of a culture's learned oracle; no culture has such an id.

    >>> proposer_name("confucian")
    'confucian-proposer'
    """
    return f"{culture}-proposer"


def speakers(config: RunConfig) -> tuple[Speaker, ...]:
    """The voices of a run, in player order; the run's own adapters go over those of the model's settings.

    Raises:
        ModelError: if an adapter is given for a culture that does not take part.
    """
    for field, given in (("adapters", config.adapters), ("proposers", config.proposers)):
        strangers = sorted(set(given) - set(config.cultures))
        if strangers:
            raise ModelError(
                f"{field}: {', '.join(strangers)} takes no part in this run;"
                f" its cultures are {', '.join(config.cultures)}"
            )
    known = _own_adapters(config.model) | config.adapters
    return tuple(
        Speaker(culture, known.get(culture), config.proposers.get(culture)) for culture in config.cultures
    )


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
    named = {name: place for voice in voices for name, place in voice.adapters.items()}
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


def provenance(voices: Sequence[Speaker], model_name: str, proposing: str = "replace") -> dict[str, str]:
    """What records say of where their words came from.

    Args:
        voices: of the run.
        model_name: of its model.
        proposing: how learned oracles take part; told if there are any.
    """
    adapters = {f"adapter:{voice.culture}": voice.adapter for voice in voices if voice.adapter is not None}
    learned = {f"proposer:{voice.culture}": voice.proposer for voice in voices if voice.proposer is not None}
    how = {"proposing": proposing} if learned else {}
    return {"concordat": __version__, "model": model_name, **adapters, **learned, **how}


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
