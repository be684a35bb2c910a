"""A run's status for people: a few lines and a table of its agents, once or again and again."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

from cluster.console import OK, Output
from cluster.status.reading import RunStatus, StatusReader

if TYPE_CHECKING:
    from rich.console import Console, Group

WIDTH = 40
"""Of the bar, characters."""


def status(run: Path, watch_s: float | None, output: Output) -> int:
    """Say where a run stands; with ``watch_s`` again and again until nobody runs it any more.

    With --json and ``watch_s`` nothing is said before the end.
    """
    reader = StatusReader(run)
    now = reader.read()
    if watch_s is not None:
        now = _watch(reader, now, watch_s, output)
    elif not output.as_json:
        output.table_console.print(picture(now))
    if output.as_json:
        output.result(now.tree())
    return OK


def _watch(reader: StatusReader, now: RunStatus, pause_s: float, output: Output) -> RunStatus:
    console = output.side_console if output.as_json else output.table_console
    if console.is_terminal:
        from rich.live import Live

        with Live(picture(now), console=console, auto_refresh=False) as live:
            while now.state == "running":
                time.sleep(pause_s)
                now = reader.read()
                live.update(picture(now), refresh=True)
        return now
    said = ""
    while True:
        if (line := short(now)) != said:
            said = line
            _say(console, line)
        if now.state != "running":
            return now
        time.sleep(pause_s)
        now = reader.read()


def _say(console: Console, line: str) -> None:
    console.print(line, markup=False, highlight=False, soft_wrap=True)


def short(now: RunStatus) -> str:
    """The status in a line.

    >>> short(RunStatus(Path("runs/a"), "running", planned=1280, finished=12, running=8, failed=1))
    '12/1,280 finished, 1 failed, 8 running'
    """
    if now.planned is None:
        return "models are being loaded" if now.state == "running" else "nothing was begun"
    retried = f", {now.to_retry:,} to try again" if now.to_retry else ""
    counts = f"{now.finished:,}/{now.planned:,} finished, {now.failed:,} failed{retried}"
    return f"{counts}, {now.running:,} running" if now.state == "running" else f"{counts}; {now.state}"


def picture(now: RunStatus) -> Group:
    """All of the status."""
    from rich.console import Group
    from rich.progress_bar import ProgressBar
    from rich.table import Table
    from rich.text import Text

    lines = [Text(f"{now.run}: {_state(now)}")]
    facts = Table(box=None, pad_edge=False, show_header=False)
    facts.add_row(
        Text(short(now)), ProgressBar(total=max(now.planned or 1, 1), completed=now.finished, width=WIDTH)
    )
    lines += [Text(line) for line in _facts(now)]
    agents = Table(box=None, pad_edge=False)
    agents.add_column("agent", no_wrap=True)
    for heading in ("batches", "requests a batch", "tokens", "tokens/s"):
        agents.add_column(heading, justify="right", no_wrap=True)
    for name, agent in sorted(now.agents.items()):
        size = f"{agent.requests / agent.batches:,.1f}" if agent.batches else ""
        speed = f"{agent.tokens / agent.seconds:,.0f}" if agent.tokens and agent.seconds else ""
        agents.add_row(
            Text(name), f"{agent.batches:,}", size, f"{agent.tokens:,}" if agent.tokens else "", speed
        )
    return Group(lines[0], facts, *lines[1:], *([agents] if now.agents else []))


def _state(now: RunStatus) -> str:
    resume = f"go on with: concordat negotiate --out {now.run} --resume"
    if now.state == "running":
        return f"runs ({now.holder.partition(' since ')[0]})"
    if now.state == "lost":
        return f"its process is gone, and did not say so; {resume}"
    if now.state == "interrupted":
        return f"interrupted; {resume}"
    if now.state == "new":
        return "not begun"
    return "ended" if not now.left else f"ended with {now.left:,} not done; {resume}"


def _facts(now: RunStatus) -> list[str]:
    facts = []
    if now.seconds:
        speeds = [f"session {now.sessions}: {duration(now.seconds)}"]
        if now.per_hour is not None:
            speeds.append(f"{now.per_hour:,.0f} negotiations an hour")
        if now.tokens_per_s is not None:
            speeds.append(f"{now.tokens_per_s:,.0f} tokens/s")
        if now.seconds_left is not None:
            speeds.append(f"some {duration(now.seconds_left)} left")
        facts.append(", ".join(speeds))
    if now.rounds:
        gains = ", ".join("-" if gain is None else f"{gain:+.3f}" for gain in now.gains)
        facts.append(
            f"{now.rounds:,} rounds, {now.converged:,} converged; latest round: NashConv {now.nash_conv:.1e}, gains {gains}"
        )
    if now.errors:
        kinds = ", ".join(f"{name} {count:,} times" for name, count in now.errors.items())
        facts.append(f"errors: {kinds}; the last: {now.last_error[:200]}")
    if now.actors_lost:
        facts.append(f"{now.actors_lost:,} actors were lost and started again")
    return facts


def duration(seconds: float) -> str:
    """A time in the two units that say most of it.

    >>> duration(42.4), duration(3725), duration(200_000)
    ('42 s', '1 h 2 min', '2 d 7 h')
    """
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes, hours, days = int(seconds // 60), int(seconds // 3600), int(seconds // 86400)
    if hours < 1:
        return f"{minutes} min {int(seconds % 60)} s"
    if days < 1:
        return f"{hours} h {minutes % 60} min"
    return f"{days} d {hours % 24} h"
