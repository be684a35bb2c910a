"""The part of benchmarks/README.md on learned oracles."""

from __future__ import annotations

import textwrap
from typing import Any

CHARACTER = """\
In character? Divergence from the own adapter (nats a token, on proposals at temperature 1) beside that of the other seven
cultures' adapters; share of proposals that the own adapter finds likelier than these do; distance of the answers to the ten value
portraits (Wasserstein-1 on a scale of length 1)."""


def learned_oracle(figures: dict[str, Any]) -> str:
    """Gains of proposals alone and of a learned oracle, and whether agents stay in character."""
    cultures: dict[str, Any] = figures["trainings"]
    first = next(iter(cultures.values()))
    asked = figures["settings"]
    learned, aside = first["topics"]["learned"], first["topics"]["held_out"]
    about = f"""\
A learned oracle against proposals alone ({figures["model"]} model): each culture's adapter trained by GRPO on its
situations of {learned} topics of one run ({asked["prompts"]} situations with {asked["group"]} candidates a step),
measured on {aside} topics held out. Gain: utility of the best of n candidates of a move, less the best that the
player holds; intervals are over topics. `many` is proposals alone with as many tokens as the training and the learned
oracle's largest n took, spread over the moves. The settings of `long` were chosen after those of `short` had been
measured, on the same held-out topics; p values are not adjusted."""
    lines = [
        _filled(about),
        "",
        "| training | n | proposals alone | learned oracle | difference, paired | p |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for culture, found in cultures.items():
        gains = found["gains"]
        for count, own in gains["own"].items():
            learned, apart = gains["learned"][count], gains["difference"][count]
            lines.append(
                f"| {culture} | {count} | {_interval(own)} | {_interval(learned)} | {_interval(apart)} | {apart['p']:.3f} |"
            )
        many, less = gains["own_many"], gains["learned_less_many"]
        apart = f"{_interval(less)} | {less['p']:.3f}"
        lines.append(
            f"| {culture} | many: {many['per_move']} | {_interval(many)} | its largest n | {apart} |"
        )
    lines += [
        "",
        "| training | candidates of | mean gain | gain epsilon or more | well formed | near-copies | tokens each |",
        "| --- | --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for culture, found in cultures.items():
        for name in ("own", "learned"):
            row = found["gains"][f"{name}_candidates"]
            lines.append(
                f"| {culture} | {name} adapter | {row['mean_gain']:+.3f} | {row['gaining']:.0%} | {row['well_formed']:.1%}"
                f" | {row['copied']:.1%} | {row['tokens']:.0f} |"
            )
    moved = [
        f"{culture} {_interval(apart)} (p {apart['p']:.3f})"
        for culture, found in cultures.items()
        if (apart := found["gains"].get("mean_difference")) is not None
    ]
    lines += [
        "",
        _filled(f"Mean gain of a candidate, learned less own, paired by topic: {'; '.join(moved)}."),
        "",
        _filled(CHARACTER),
        "",
        f"| figure | {' | '.join(cultures)} |",
        f"| --- |{' ---: |' * len(cultures)}",
    ]
    told = [found["character"] for found in cultures.values()]
    portraits = [one["portraits"] for one in told]
    rows = [
        ("divergence, learned from own", [f"{one['kl_learned']:.4f}" for one in told]),
        (
            "divergence, own from the others: mean, least",
            [f"{one['kl_others']['mean']:.4f}, {one['kl_others']['least']:.4f}" for one in told],
        ),
        (
            "own adapter likeliest, of eight: own proposals, learned ones",
            [f"{one['own_likeliest']['own']:.0%}, {one['own_likeliest']['learned']:.0%}" for one in told],
        ),
        ("portraits, learned from own", [_interval(one["learned_from_own"]) for one in portraits]),
        ("portraits, others from own (mean)", [_interval(one["others_from_own"]) for one in portraits]),
        (
            "portraits, the nearest other from own",
            [f"{one['nearest_other_from_own']:.3f}" for one in portraits],
        ),
        ("portraits, own from people", [_interval(one["own_from_people"]) for one in portraits]),
        (
            "portraits, learned less own, from people",
            [_interval(one["learned_less_own"]) for one in portraits],
        ),
    ]
    lines += [f"| {name} | {' | '.join(values)} |" for name, values in rows]
    curve = [
        f"{culture} ({found['steps']} steps, learning rate {found['learning_rate']:g}) {_sum(found, 'first'):.3f} to"
        f" {_sum(found, 'last'):.3f}, {found['training']['tokens']:,} tokens, {found['training']['cpu_s'] / 60:.0f} minutes of"
        " one core"
        for culture, found in cultures.items()
    ]
    lines += [
        "",
        _filled(f"Mean utility of training candidates, first and last six steps: {'; '.join(curve)}."),
    ]
    return "\n".join(lines)


def _sum(found: dict[str, Any], end: str) -> float:
    """Mean utility of the candidates at an end of the training."""
    rewards: dict[str, float] = found["training"][end]
    weights: dict[str, float] = found["weights"]
    return sum(weight * rewards[f"reward_{name}"] for name, weight in weights.items())


def _filled(text: str) -> str:
    """A paragraph in lines of the page's width."""
    return textwrap.fill(" ".join(text.split()), 130, break_on_hyphens=False, break_long_words=False)


def _interval(found: dict[str, Any]) -> str:
    return f"{found['estimate']:+.3f} [{found['low']:+.3f}, {found['high']:+.3f}]"
