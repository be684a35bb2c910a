"""What ``concordat train rewriter`` does."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from cluster.console import FAILED, OK, Output
from cluster.rewriting.training_config import rewriter_training_config

_LINES = 100
"""About how many lines of a long training are told."""

_SHARES = ("wait", "learn", "push", "save", "rollout", "reward")


def run(flags: Mapping[str, Any], output: Output) -> int:
    """Train the rewriter; progress goes to standard error, the figures are the result."""
    given = {name: value for name, value in flags.items() if value is not None}
    dry, address = given.pop("dry_run", False), given.pop("address", None)
    config = rewriter_training_config(given, given.pop("config", None))
    if dry:
        return tell_result(output, {"out": str(config.out), "config": config.model_dump(mode="json")})
    from cluster.rewriting.training_material import read_material

    say, told = tellers(output, config.method)
    say(f"{config.method}: reading {config.data}")
    material = read_material(config)
    from cluster.ray_environment import prepare_ray

    prepare_ray(address)
    from cluster.rewriting import training

    figures = training.train_rewriter(config, material, told, address)
    found = training.faults(figures, config.limits)
    for fault in found:
        say(f"{config.method}: the check fails: {fault}")
    if not figures["curves"]:
        say(
            "No curves for TensorBoard: tensorboardX is not installed (extra 'train'); they are in"
            f" {config.work / 'events.jsonl'}"
        )
    tell_result(output, {"out": str(config.out), "check": found, "figures": figures})
    return FAILED if found else OK


def tellers(output: Output, label: str) -> tuple[Callable[[str], None], Callable[[dict[str, Any]], None]]:
    """What says a line on standard error, and what says there which events of a training are worth it."""
    console = output.side_console

    def say(line: str) -> None:
        console.print(line, highlight=False, soft_wrap=True, markup=False)

    def told(event: dict[str, Any]) -> None:
        line = event_line(label, event)
        if line:
            say(line)

    return say, told


def event_line(method: str, event: Mapping[str, Any]) -> str:
    """An event of a training, for people; empty for one that need not be told."""
    kind, step = event["event"], event.get("step", 0)
    if kind == "workers_started":
        return f"{method}: {event['workers']} workers on {event['device']}, from step {step}"
    if kind == "sampled":
        return (
            f"{method}: {event['requests']}/{event['of']} requests sampled, {event['pairs']} pairs,"
            f" {event['samples_per_s']:.1f} samples/s"
        )
    if kind == "checkpoint_saved":
        return ""
    steps = event["steps"]
    if event["skipped"]:
        return (
            f"{method}: step {step}/{steps} skipped: a reward or the loss is not a number"
            f" ({event['skips']} skipped so far)"
        )
    if step % max(1, steps // _LINES) and step != steps:
        return ""
    parts = [f"{method}: step {step}/{steps}", f"loss {event['loss']:.3f}"]
    parts += [
        f"{name.removeprefix('reward/')} {event[name]:.3f}" for name in event if name.startswith("reward/")
    ]
    parts += [
        f"{name} {event[name]:.3f}" for name in ("kl", "entropy", "margin") if event.get(name) is not None
    ]
    if "length" in event:
        parts.append(f"length {event['length']:.0f}")
        parts += [f"{name} {event[name]:.0%}" for name in ("copied", "collapsed") if event[name]]
        parts += [f"{event['lost']} actors lost"] if event["lost"] else []
    parts.append(f"{event['tokens_per_s']:,.0f} tokens/s")
    shares = [f"{name} {event[f'share/{name}']:.0%}" for name in _SHARES if f"share/{name}" in event]
    return f"{', '.join(parts)}; {', '.join(shares)}"


def tell_result(output: Output, tree: Mapping[str, Any]) -> int:
    """Print a result: as JSON, or a line a field."""
    if output.as_json:
        output.result(tree)
        return OK
    for name, value in tree.items():
        lines = value.items() if isinstance(value, Mapping) else ((name, value),)
        for label, shown in lines:
            output.table_console.print(f"{label}: {shown}", soft_wrap=True, highlight=False, markup=False)
    return OK
