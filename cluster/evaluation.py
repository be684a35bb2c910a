"""What ``concordat evaluate culture`` does: agents interviewed and set beside their people."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from agents.bundled import bundled_adapters, bundled_transformers_config
from agents.cultures import get_culture
from agents.evaluation import CultureEvaluation, EvaluationConfig, evaluate_culture
from agents.models.config import BundledConfig, ModelConfig, load_model, parse_model_argument
from agents.survey.codebook import Item, get_item, load_items
from agents.survey.profile import CultureProfile, MapAxes, load_axes, load_profiles, load_vsm_constants
from cluster.arguments import adapter_of_flag
from cluster.console import OK, Output
from cluster.settings import validate
from negotiation.errors import CultureError

if TYPE_CHECKING:
    from rich.table import Table

    from agents.models.protocol import LanguageModel

FILE, PICTURE = "evaluation.json", "evaluation.png"
"""What is kept in the folder that ``--out`` names."""


class EvaluateConfig(BaseModel):
    """Which agents are set beside which people."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    cultures: tuple[str, ...] = Field(
        default=(), description="whose agents; those that have an adapter if left out"
    )
    model: ModelConfig = Field(
        default_factory=BundledConfig,
        description="the language model: settings by kind, or a text as --model takes it",
    )
    adapters: dict[str, str] = Field(
        default_factory=dict, description="adapter folder by culture, over the model's own"
    )
    profiles: Path | None = Field(
        default=None, description="file of profiles; those that ship (values, no answers) if left out"
    )
    items: tuple[str, ...] = Field(
        default=(),
        description="codebook items to ask, such as those held out of an adapter's training; all that the people were asked"
        " if left out",
    )
    evaluation: EvaluationConfig = Field(
        default_factory=EvaluationConfig, description="orders, resamples, seed"
    )
    actors: int | None = Field(
        default=None, ge=1, description="actors that share the questions; none: one a GPU, else one"
    )
    serial: bool = Field(default=False, description="in this process, without Ray")
    address: str | None = Field(default=None, description="of a running Ray cluster; none: a local one")
    out: Path | None = Field(
        default=None, description="folder for the figures and a picture; nothing is kept if left out"
    )

    @field_validator("model", mode="before")
    @classmethod
    def _read_model(cls, value: Any) -> Any:
        return parse_model_argument(value) if isinstance(value, str) else value

    @field_validator("adapters", mode="after")
    @classmethod
    def _known(cls, adapters: dict[str, str]) -> dict[str, str]:
        return {get_culture(name).id: path for name, path in adapters.items()}

    @model_validator(mode="after")
    def _all_adapters(self) -> Self:
        if not self.cultures and not self.voices():
            raise CultureError("no cultures and no adapters; give --cultures A or --adapter A=DIR")
        return self

    def voices(self) -> tuple[str, ...]:
        """Cultures that have an adapter."""
        own = bundled_adapters() if isinstance(self.model, BundledConfig) else tuple(self.model.adapters)
        return tuple(dict.fromkeys((*own, *self.adapters)))

    def loadable(self) -> ModelConfig:
        """The model with every adapter."""
        if isinstance(self.model, BundledConfig):
            if not self.adapters:
                return self.model
            plain = bundled_transformers_config(self.model)
            return plain.model_copy(update={"adapters": plain.adapters | self.adapters})
        return self.model.model_copy(update={"adapters": self.model.adapters | self.adapters})


def settings_of_evaluation(flags: Mapping[str, Any]) -> dict[str, Any]:
    """The settings that flags of ``concordat evaluate culture`` ask for; those not given are not in them.

    Raises:
        ConfigurationError: if an --adapter is no CULTURE=PATH.

    >>> settings_of_evaluation({"cultures": ["confucian"], "orders": 2, "seed": None, "serial": True})
    {'cultures': ['confucian'], 'serial': True, 'evaluation': {'interview': {'orders': 2}}}
    """
    plain = ("cultures", "model", "profiles", "items", "out", "serial", "actors", "address")
    tree: dict[str, Any] = {name: flags[name] for name in plain if flags.get(name)}
    if flags.get("adapter"):
        tree["adapters"] = dict(adapter_of_flag(text) for text in flags["adapter"])
    if flags.get("orders") is not None:
        tree.setdefault("evaluation", {}).setdefault("interview", {})["orders"] = flags["orders"]
    if flags.get("against_prior"):
        tree.setdefault("evaluation", {}).setdefault("interview", {})["against_prior"] = True
    if flags.get("seed") is not None:
        tree.setdefault("evaluation", {})["seed"] = flags["seed"]
    return tree


def evaluate_cultures(flags: Mapping[str, Any], output: Output) -> int:
    """Evaluate, keep, and print."""
    config = validate(EvaluateConfig, dict(flags), "settings (flags)")
    if config.out is not None:
        from cluster.evaluation_picture import evaluation_picture
    cultures = [get_culture(name).id for name in config.cultures] or list(config.voices())
    people = _people(config, cultures)
    items = tuple(get_item(name) for name in config.items) or load_items()

    def told(culture: str) -> None:
        output.side_console.print(f"{culture}: asked", highlight=False)

    axes = None if config.profiles is None else load_axes(config.profiles)
    config = with_constants(config)
    found = run_evaluation(config, cultures, people, items, axes, told)
    tree = {
        "cultures": [asdict(evaluation) for evaluation in found],
        "profiles": str(config.profiles or "shipped"),
    }
    if config.out is not None:
        config.out.mkdir(parents=True, exist_ok=True)
        (config.out / FILE).write_text(json.dumps(tree, indent=1, allow_nan=False) + "\n", encoding="utf-8")
        (config.out / PICTURE).write_bytes(evaluation_picture(found))
    if output.as_json:
        output.result(tree)
    else:
        output.table_console.print(evaluation_table(found), highlight=False)
        if config.out is not None:
            output.table_console.print(f"Kept: {config.out}", soft_wrap=True, highlight=False, markup=False)
    return OK


def with_constants(config: EvaluateConfig) -> EvaluateConfig:
    """With the constants that are in the profiles' Hofstede dimensions, unless others were asked for."""
    if config.profiles is None or "hofstede" in config.evaluation.model_fields_set:
        return config
    constants = load_vsm_constants(config.profiles)
    if constants is None:
        return config
    evaluation = config.evaluation.model_copy(update={"hofstede": constants})
    return config.model_copy(update={"evaluation": evaluation})


def run_evaluation(
    config: EvaluateConfig,
    cultures: Sequence[str],
    people: Mapping[str, CultureProfile],
    items: Sequence[Item],
    axes: MapAxes | None = None,
    told: Callable[[str], None] = lambda culture: None,
) -> list[CultureEvaluation]:
    """Interview every culture's voices: its own adapter, the bare model, and everybody else's adapter."""
    found = []
    with _model(config) as model:
        for name in cultures:
            own = {"own": name} if name in config.voices() else {}
            others = {f"adapter of {other}": other for other in config.voices() if other != name}
            voices = own | {"base": None} | others
            found.append(
                evaluate_culture(
                    model, get_culture(name), people[name], voices, items, config.evaluation, axes=axes
                )
            )
            told(name)
    return found


@contextmanager
def _model(config: EvaluateConfig) -> Iterator[LanguageModel]:
    """The model in this process, or in actors."""
    if config.serial:
        yield load_model(config.loadable())
        return
    from cluster.ray_environment import prepare_ray

    prepare_ray(config.address)
    from cluster.voices import actor_models

    with actor_models([config.loadable()], config.actors, config.address) as [model]:
        yield model


def _people(config: EvaluateConfig, cultures: Sequence[str]) -> Mapping[str, CultureProfile]:
    if config.profiles is None:
        from agents.survey.shipped import shipped_profiles

        profiles: Mapping[str, CultureProfile] = shipped_profiles()
    else:
        profiles = load_profiles(config.profiles)
    missing = [name for name in cultures if name not in profiles]
    if missing:
        raise CultureError(
            f"profiles {config.profiles or 'that ship'}: none of {', '.join(missing)}; they have {', '.join(profiles)}"
        )
    return profiles


def evaluation_table(found: Sequence[CultureEvaluation]) -> Table:
    """One row a culture and voice: estimates with 95% intervals, "-" where the people's side is not known."""
    from rich.table import Table

    table = Table(
        "culture",
        "voice",
        "distance",
        "farther than own",
        "map distance",
        "value correlation",
        box=None,
        pad_edge=False,
    )
    for evaluation in found:
        for voice in evaluation.voices:
            cells = (voice.distance, voice.farther_than_own, voice.map_distance, voice.value_correlation)
            table.add_row(
                evaluation.culture, voice.voice, *("-" if cell is None else str(cell) for cell in cells)
            )
    return table
