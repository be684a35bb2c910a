"""What ``concordat train oracle`` does."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cluster.console import FAILED, OK, Output
from cluster.proposing.config import OracleTrainingConfig, oracle_training_config
from cluster.rewriting.training_command import tell_result, tellers


def run_command(flags: Mapping[str, Any], output: Output) -> int:
    """Train an oracle; progress goes to standard error, the figures are the result."""
    given = {name: value for name, value in flags.items() if value is not None}
    dry, address = given.pop("dry_run", False), given.pop("address", None)
    config = oracle_training_config(given, given.pop("config", None))
    from cluster.proposing.material import read_situations

    material = read_situations(config)
    if dry:
        return tell_result(output, _plan(config, material))
    say, told = tellers(output, config.culture)
    learned, aside = material.topics
    say(
        f"{config.culture}: {len(material.learned)} situations of {len(learned)} topics to learn from,"
        f" {len(material.held_out)} of {len(aside)} held out"
    )
    from cluster.ray_environment import prepare_ray

    prepare_ray(address)
    from cluster.proposing import training

    figures = training.train_oracle(config, material, told, address)
    found = training.faults(figures, config.limits)
    for fault in found:
        say(f"{config.culture}: the check fails: {fault}")
    for name, gained in figures.get("held_out", {}).items():
        say(f"{config.culture}: held out, {name}: {_gain_line(gained)}")
    tell_result(output, {"out": str(config.out), "check": found, "figures": figures})
    return FAILED if found else OK


def _plan(config: OracleTrainingConfig, material: Any) -> dict[str, Any]:
    learned, aside = material.topics
    return {
        "out": str(config.out),
        "situations": {"learned": len(material.learned), "held_out": len(material.held_out)},
        "topics": {"learned": list(learned), "held_out": list(aside)},
        "config": config.model_dump(mode="json"),
    }


def _gain_line(gained: Mapping[str, Any]) -> str:
    """Gains on held-out topics, for people."""
    best = gained["gain"]
    shown = (
        "nothing usable"
        if best is None
        else f"best of {gained['candidates']} gains {best['estimate']:+.3f} [{best['low']:+.3f}, {best['high']:+.3f}]"
    )
    return (
        f"{shown} in {gained['situations']} situations of {gained['topics']} topics; well formed"
        f" {gained['well_formed']:.0%}, copies {gained['copied']:.0%}"
    )
