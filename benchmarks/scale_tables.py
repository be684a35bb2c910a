"""The parts of benchmarks/README.md on runs at scale and on serving."""

from __future__ import annotations

import textwrap
from typing import Any

WIDTH = 125

MOST_SECONDS = 180.0
"""Wanted of scheduling."""


def scheduling(figures: dict[str, Any]) -> str:
    """What scheduling costs."""
    per = 1e3 * figures["driver_cpu_s"] / figures["negotiations"]
    about = (
        f"{figures['negotiations']:,} negotiations of {figures['rounds']:.2f} rounds ({figures['replies']:,} replies) with a"
        " model that answers at once, through actors of a local Ray of two CPUs:"
        f" {figures['concurrency']} in flight in {figures['lanes']} lanes, every record flushed to disk"
        f" ({figures['disk_mb']:.0f} MB)."
    )
    if figures["wall_s"] >= MOST_SECONDS:
        load = figures["hardware"]["load"][1]
        about += (
            f" **The time is not reached in this measurement**: other programs shared the two cores (load average {load:.0f}),"
            " and it was not measured on quiet ones."
        )
    return _part(
        about,
        "| figure | measured | wanted |",
        "| --- | ---: | ---: |",
        f"| seconds, start of Ray and report in it | {figures['wall_s']:.0f} | below 180 on two quiet cores |",
        f"| processor time of the driver, s | {figures['driver_cpu_s']:.0f} | |",
        f"| the same, ms a negotiation | {per:.1f} | |",
        f"| driver's memory when a tenth was done, MB | {figures['rss_tenth_mb']:.0f} | |",
        f"| driver's memory when all were done, MB | {figures['rss_end_mb']:.0f} | at most 1.1 times that |",
        f"| bytes a negotiation, by a line through it | {figures['bytes_a_negotiation']:.0f} | |",
        "",
        "![Memory of the driver](../docs/images/scheduling.png)",
    )


def scaling(figures: dict[str, Any]) -> str:
    """How runs scale, simulated."""
    model = figures["model"]
    about = (
        "**Simulated agents.** The scheduler, the games and the records are real; an agent answers by rule, after the time"
        f" that the bundled model was measured to take on one core ({model['base_ms']:.1f} ms a step and"
        f" {model['each_ms']:.2f} ms a row in it). The clock counts the processor time of the driver's event loop, and the"
        f" waiting for agents. Each agent has {figures['in_flight']} negotiations in flight, in {figures['lanes']} lanes."
        " Efficiency is negotiations a second an agent over that of one agent, start and end of these short runs in it;"
        " `steady` is the same of the middle 60% of the time. Wanted: at least 0.9 up to 256 agents. `cores` is what the driver"
        " takes of cores, its writing"
        " threads in it."
    )
    rows = []
    for point in figures["points"]:
        done = f"{point['negotiations']:,.0f} | {point['negotiations_per_s']:.2f}"
        efficiency = f"{point['efficiency']:.2f} | {point['steady']:.2f} | {point['agents_busy']:.0%}"
        rows.append(f"| {point['agents']:.0f} | {done} | {efficiency} | {point['cores']:.2f} |")
    return _part(
        about,
        "| agents | negotiations | a second | efficiency | steady | agents busy | cores |",
        "| ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
        *rows,
        "",
        "![Scaling](../docs/images/scaling.png)",
    )


def chaos(figures: dict[str, Any]) -> str:
    """What was killed, and what was lost."""
    kills = ", ".join(
        f"{count} {kind}{'s' * (count > 1)}" for kind, count in sorted(figures["kills"].items())
    )
    about = (
        f"{figures['negotiations']} negotiations while {sum(figures['kills'].values())} of the run's processes are killed at"
        f" random ({kills}; a worker may be idle). The driver is started again with `--resume`:"
        f" {figures['sessions']} sessions."
    )
    names = {
        "lost": "negotiations without a record",
        "told_not_once": "negotiations that finished twice or never",
        "changed": "records that changed once they were there",
        "different": "records other than those of the run undisturbed",
    }
    return _part(
        about,
        "| figure | measured | wanted |",
        "| --- | ---: | ---: |",
        f"| finished | {figures['finished']} of {figures['planned']} | all |",
        *(f"| {told} | {len(figures[key])} | 0 |" for key, told in names.items()),
        f"| actors lost at work | {figures['actors_lost']} | |",
        f"| seconds | {figures['seconds']:.0f} | |",
    )


def serve(figures: dict[str, Any]) -> str:
    """The server under load."""
    one, many, killed = figures["one"], figures["many"], figures["killed"]
    about = (
        f"`concordat serve` as a user starts it, bundled model, answers of up to {figures['tokens']} tokens. `bare` is one"
        " call of the model after the other in a process of its own, with as many threads as the server's model has. Of 50"
        " clients each asks again as soon as it is answered. `policy` asks a consensus policy: the base model, then detector,"
        " rewriter and judge. In the last load the model's replica is killed in the middle."
    )

    def statuses(load: dict[str, Any]) -> str:
        return ", ".join(f"{count} x {status}" for status, count in load["statuses"].items())

    def row(name: str, load: dict[str, Any]) -> str:
        grown = f"{load['memory_growth']:.2f}" if "memory_growth" in load else ""
        return (
            f"| {name} | {load['clients']} | {load['seconds']:.0f} | {statuses(load)} | {load['answers_per_s']:.1f}"
            f" | {load['tokens_per_s']:.0f} | {load['p50_s']:.2f} | {load['p95_s']:.2f} | {grown} |"
        )

    lost = ", ".join(f"{count} x `{code}`" for code, count in killed["codes"].items())
    return _part(
        about,
        "| figure | measured | wanted |",
        "| --- | ---: | ---: |",
        f"| p50 of one client over the bare model call, less 1 | {figures['overhead']:.3f} | below 0.15 |",
        f"| answers a second, 50 clients over one | {figures['speedup']:.1f} | at least 4 |",
        f"| the same of a policy | {figures['policy_speedup']:.1f} | |",
        f"| memory at the end over that when warm, 50 clients | {many['memory_growth']:.2f} | at most 1.1 |",
        f"| errors when the replica was killed, by code | {lost or 'none'} | retriable, with Retry-After |",
        "",
        "| load | clients | seconds | answers by status | answers/s | tokens/s | p50 s | p95 s | memory grew |",
        "| --- | ---: | ---: | --- | ---: | ---: | ---: | ---: | ---: |",
        row("base", one),
        row("base", many),
        row("policy", figures["policy_one"]),
        row("policy", figures["policy_many"]),
        row("base, replica killed", killed),
    )


def _part(about: str, *lines: str) -> str:
    return "\n".join([*textwrap.wrap(about, WIDTH, break_on_hyphens=False), "", *lines])
