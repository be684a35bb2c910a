"""What a person sees while a run goes on: a live view on a terminal, plain lines elsewhere.

The engine keeps a ``RunState``; views only read it. They write to standard error, so that standard output is
free for results.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from negotiation.oracle import Concluded, NegotiationEvent, RoundFinished

if TYPE_CHECKING:
    from rich.console import Console, Group, RenderableType
    from rich.live import Live
    from rich.progress import Progress

SHOWN_NEGOTIATIONS = 8
"""Rows of the live view; more negotiations than this are counted, not shown."""

PLAIN_INTERVAL_S = 15.0
"""How often plain output says where the run stands."""


@dataclass(slots=True)
class Standing:
    """Where one running negotiation stands.

    Attributes:
        topic: the question.
        methods: still under way.
        opened: whether all sides have stated their positions.
        rounds: rounds finished so far.
        nash_conv: of the last round's equilibrium, >= 0, lower is better; None before the first.
        gains: (N,) each player's best gain in the last round; None where a player proposed nothing.
    """

    topic: str
    methods: tuple[str, ...] = ("psro",)
    opened: bool = False
    rounds: int = 0
    nash_conv: float | None = None
    gains: tuple[float | None, ...] = ()


@dataclass(slots=True)
class RunState:
    """Where a run stands.

    Attributes:
        total: negotiations of the plan, each method counted by itself; so are ``finished`` and ``failed``.
        finished: those with a record, earlier sessions of the run included.
        failed: those that failed so often that they are not tried again.
        running: by negotiation id, in order of their start.
        tokens: generated in this session.
        batches: sent to models in this session.
        started: ``time.monotonic()`` of the session's start, seconds.
    """

    total: int
    finished: int = 0
    failed: int = 0
    running: dict[str, Standing] = field(default_factory=dict)
    tokens: int = 0
    batches: int = 0
    started: float = field(default_factory=time.monotonic)

    @property
    def seconds(self) -> float:
        """Of this session so far."""
        return time.monotonic() - self.started

    @property
    def tokens_per_s(self) -> float:
        """Generated tokens a second in this session."""
        return self.tokens / max(self.seconds, 1e-9)

    def begin(self) -> None:
        """Start the clock."""
        self.started = time.monotonic()

    def seat(self, negotiation_id: str, topic: str, methods: Sequence[str] = ("psro",)) -> None:
        """A negotiation begins, by these methods side by side."""
        self.running[negotiation_id] = Standing(topic, tuple(methods))

    def leave(self, negotiation_id: str, method: str) -> None:
        """A negotiation by one method has ended."""
        standing = self.running.get(negotiation_id)
        if standing is not None:
            standing.methods = tuple(other for other in standing.methods if other != method)
            if not standing.methods:
                del self.running[negotiation_id]

    def take(self, event: NegotiationEvent) -> None:
        """Follow an event of a negotiation."""
        standing = self.running.get(event.negotiation_id)
        if standing is None:
            return
        standing.opened = True
        if isinstance(event, RoundFinished):
            standing.rounds = event.round
            standing.nash_conv = event.nash_conv
            standing.gains = event.best_gains
        elif isinstance(event, Concluded):
            self.leave(event.negotiation_id, "psro")


class View(Protocol):
    """Shows a run to a person."""

    def start(self, state: RunState) -> None:
        """The run begins (or goes on)."""

    def update(self, state: RunState, note: str = "") -> None:
        """Something changed; ``note`` is a line worth keeping."""

    def stop(self, state: RunState) -> None:
        """The run is over, in whatever way."""


class SilentView:
    """Shows nothing."""

    def start(self, state: RunState) -> None:
        """Nothing."""

    def update(self, state: RunState, note: str = "") -> None:
        """Nothing."""

    def stop(self, state: RunState) -> None:
        """Nothing."""


class PlainView:
    """One line a finished negotiation, and now and then one that says where the run stands."""

    def __init__(self, console: Console, interval_s: float = PLAIN_INTERVAL_S) -> None:
        self._console = console
        self._interval_s = interval_s
        self._last = 0.0

    def start(self, state: RunState) -> None:
        """Say how much there is to do."""
        self._last = time.monotonic()
        before = f", {state.finished} of them finished before" if state.finished else ""
        self._say(f"{state.total} negotiation{'s' * (state.total != 1)}{before}")

    def update(self, state: RunState, note: str = "") -> None:
        """Say the note, or the standing if it was not said for a while."""
        if note:
            self._say(note)
        elif time.monotonic() - self._last >= self._interval_s:
            self._last = time.monotonic()
            self._say(
                f"{state.finished}/{state.total} finished, {state.failed} failed,"
                f" {len(state.running)} running, {state.tokens_per_s:,.0f} tokens/s"
            )

    def stop(self, state: RunState) -> None:
        """Say nothing more; the summary follows."""

    def _say(self, line: str) -> None:
        self._console.print(line, markup=False, highlight=False, soft_wrap=True)


class LiveView:
    """A progress bar, a table of running negotiations and the speed, drawn in place."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._progress: Progress | None = None
        self._live: Live | None = None

    def start(self, state: RunState) -> None:
        """Begin to draw."""
        from rich.live import Live
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

        self._progress = Progress(
            TextColumn("negotiations"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=self._console,
        )
        self._progress.add_task("negotiations", total=state.total, completed=state.finished + state.failed)
        self._live = Live(self._draw(state), console=self._console, refresh_per_second=4, transient=True)
        self._live.start()

    def update(self, state: RunState, note: str = "") -> None:
        """Draw anew; the note stays above."""
        if self._live is None or self._progress is None:
            return
        self._progress.update(self._progress.task_ids[0], completed=state.finished + state.failed)
        if note:
            self._live.console.print(note, markup=False, highlight=False)
        self._live.update(self._draw(state))

    def stop(self, state: RunState) -> None:
        """Take the view away."""
        if self._live is not None:
            self._live.stop()
            self._live = None

    def _draw(self, state: RunState) -> Group:
        from rich.console import Group
        from rich.table import Table
        from rich.text import Text

        table = Table(box=None, pad_edge=False, expand=True)
        table.add_column("question", ratio=1, no_wrap=True, overflow="ellipsis")
        for heading in ("round", "gains", "NashConv"):
            table.add_column(heading, justify="right", no_wrap=True)
        for standing in list(state.running.values())[:SHOWN_NEGOTIATIONS]:
            nash_conv = "" if standing.nash_conv is None else f"{standing.nash_conv:.1e}"
            table.add_row(Text(standing.topic), show_stage(standing), show_gains(standing.gains), nash_conv)
        more = len(state.running) - SHOWN_NEGOTIATIONS
        foot = f"{state.tokens_per_s:,.0f} tokens/s, {len(state.running)} running, {state.failed} failed"
        parts: list[RenderableType] = [
            table,
            Text(f"... and {more} more" if more > 0 else ""),
            Text(foot, style="dim"),
        ]
        return Group(self._progress, *parts) if self._progress is not None else Group(*parts)


def show_stage(standing: Standing) -> str:
    """Where a negotiation stands in a few characters: the game's round, and the other methods under way.

    >>> show_stage(Standing("Why?", opened=True, rounds=2)), show_stage(Standing("Why?"))
    ('3', 'opening')
    >>> show_stage(Standing("Why?", ("psro", "debate", "mediator"), opened=True))
    '1 debate mediator'
    """
    if not standing.opened:
        return "opening"
    return " ".join(str(standing.rounds + 1) if name == "psro" else name for name in standing.methods)


def show_gains(gains: Sequence[float | None]) -> str:
    """Best gains of a round, one a player; a dash where a player proposed nothing.

    >>> show_gains((0.0213, None))
    '+0.021 -'
    """
    return " ".join("-" if gain is None else f"{gain:+.3f}" for gain in gains)


def make_view(console: Console, *, silent: bool = False) -> View:
    """The view that fits: live on a terminal, lines elsewhere."""
    if silent:
        return SilentView()
    return LiveView(console) if console.is_terminal else PlainView(console)
