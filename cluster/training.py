"""What ``concordat train`` does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cluster.console import FAILED, OK, Output
from cluster.settings import validate

if TYPE_CHECKING:
    from agents.bundle.optimise import Progress
    from agents.voices.storage import VoicesSummary
    from cluster.training_config import CultureTrainingConfig

DEFAULT_WORK = Path("runs/bundle")
"""Where checkpoints go if no folder is named."""


def train_bundle(flags: Mapping[str, Any], output: Output) -> int:
    """Train the bundled model; progress goes to standard error, the measured figures are the result."""
    from agents.bundle.config import BundleConfig

    given = {"work": DEFAULT_WORK} | {name: value for name, value in flags.items() if value is not None}
    given.setdefault("out", Path(given["work"]) / "model")
    config = validate(BundleConfig, given, "settings (flags)")
    from agents.bundle import train

    console = output.side_console

    def told(stage: str, progress: Progress) -> None:
        checked = "" if progress.validation_loss is None else f", validation {progress.validation_loss:.3f}"
        console.print(
            f"{stage}: step {progress.step}/{progress.steps}, loss {progress.loss:.3f} nats a token{checked},"
            f" {progress.tokens_per_s:,.0f} tokens/s",
            highlight=False,
            soft_wrap=True,
        )

    figures = train.train_bundle(config, told)
    if output.as_json:
        output.result({"out": str(config.out), "figures": figures})
    else:
        output.table_console.print(
            f"Model: {config.out}; what it can do: {config.out / 'README.md'}",
            soft_wrap=True,
            highlight=False,
        )
    return OK


def train_voices(flags: Mapping[str, Any], output: Output) -> int:
    """Make the training text of a culture; progress goes to standard error, the counts are the result."""
    from agents.voices.config import VoicesConfig
    from cluster.voices_run import VoicesJob, answers_of, make_voices

    way, given = _split(flags, ("culture", "profiles", "out", "serial", "actors", "address", "dry_run"))
    config = validate(VoicesConfig, given, "settings (flags)")
    culture, answered = answers_of(way["culture"], way.get("profiles"))
    out = Path(way.get("out", Path("runs/voices") / culture))
    job = VoicesJob(culture, answered, out, config, way["serial"], way.get("actors"), way.get("address"))
    if way["dry_run"]:
        tree = {"out": str(out), "items": len(answered), "pairs": len(answered) * config.pairs}
        return _tell(output, tree | {"config": config.model_dump(mode="json")})
    console = output.side_console

    def told(summary: VoicesSummary, items: int) -> None:
        console.print(
            f"{culture}: {summary.items}/{items} items, {summary.kept} pairs kept, {summary.missing} missing",
            highlight=False,
            soft_wrap=True,
        )

    summary = make_voices(job, told)
    _tell(output, {"out": str(out), "culture": culture, **asdict(summary)})
    return OK if summary.kept else FAILED


def train_culture(flags: Mapping[str, Any], output: Output) -> int:
    """Train a culture's adapter; progress goes to standard error, the figures are the result."""
    from cluster.training_config import culture_training_config

    way, given = _split(flags, ("address", "dry_run"))
    config = culture_training_config(given)
    if way["dry_run"]:
        return _tell(output, _culture_plan(config))
    from cluster.ray_environment import prepare_ray

    prepare_ray(way.get("address"))
    from cluster import culture_training

    console = output.side_console

    def told(event: dict[str, Any]) -> None:
        console.print(_event_line(config.culture, event), highlight=False, soft_wrap=True)

    figures = culture_training.train_culture(config, told, way.get("address"))
    if not figures["curves"]:
        console.print(
            "No curves for TensorBoard: tensorboardX is not installed (extra 'train'); they are in"
            f" {config.work / 'events.jsonl'}",
            highlight=False,
            soft_wrap=True,
        )
    return _tell(output, {"out": str(config.out), "figures": figures})


def _culture_plan(config: CultureTrainingConfig) -> dict[str, Any]:
    """What a training would do."""
    from agents.tuning.dialogues import read_pairs, split_items

    pairs = read_pairs(config.data, config.culture)
    tuning = config.tuning
    training, validation = split_items(pairs, tuning.validation_share, tuning.seed)
    return {
        "out": str(config.out),
        "rows": len(training),
        "held_out_rows": len(validation),
        "steps": tuning.total_steps(len(training)),
        "config": config.model_dump(mode="json"),
    }


def _event_line(culture: str, event: Mapping[str, Any]) -> str:
    """An event of a training, for people."""
    if event["event"] == "workers_started":
        return f"{culture}: {event['workers']} workers on {event['device']}, from step {event['step']}"
    if event["event"] != "progress":
        return f"{culture}: checkpoint of step {event['step']}"
    parts = [f"{culture}: step {event['step']}/{event['steps']}"]
    if event["loss"] is not None:
        parts += [f"loss {event['loss']:.3f} nats a token", f"{event['tokens_per_s']:,.0f} tokens/s"]
    if event["validation_loss"] is not None:
        parts.append(f"held-out {event['validation_loss']:.3f}")
    return ", ".join(parts)


def _split(flags: Mapping[str, Any], names: Sequence[str]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The flags of these names and the others, both without those that were not given."""
    given = {name: value for name, value in flags.items() if value is not None}
    return {name: given.pop(name) for name in names if name in given}, given


def _tell(output: Output, tree: Mapping[str, Any]) -> int:
    """Print a result: as JSON, or a line a field."""
    if output.as_json:
        output.result(tree)
        return OK
    for name, value in tree.items():
        lines = value.items() if isinstance(value, Mapping) else ((name, value),)
        for label, shown in lines:
            output.table_console.print(f"{label}: {shown}", soft_wrap=True, highlight=False, markup=False)
    return OK
