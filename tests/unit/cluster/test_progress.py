"""What a person sees while a run goes on."""

from __future__ import annotations

import io

from rich.console import Console

from cluster.progress import LiveView, PlainView, RunState, SilentView, make_view, show_gains, show_stage
from negotiation.oracle import Concluded, RoundFinished

QUESTION = "Should [inheritance] be taxed?"
PLAYED = RoundFinished("tax-1", 2, ((1.0,), (1.0,)), 1e-12, (0.0213, None), (None, None), (0, 1))
CONCLUDED = Concluded("tax-1", 2, True, "equilibrium", 1e-12, ((1.0,), (1.0,)), ("x", "y"))


def _console(terminal: bool) -> tuple[Console, io.StringIO]:
    stream = io.StringIO()
    return Console(file=stream, force_terminal=terminal, width=100), stream


def test_state_follows_negotiations() -> None:
    state = RunState(total=3)
    state.seat("tax-1", QUESTION)
    state.take(PLAYED)
    standing = state.running["tax-1"]
    assert (standing.rounds, standing.gains, standing.nash_conv) == (2, (0.0213, None), 1e-12)
    state.take(CONCLUDED)
    assert not state.running
    state.take(PLAYED)  # of one that is no longer running: nothing to follow
    assert not state.running


def test_a_negotiation_runs_as_long_as_one_of_its_methods() -> None:
    state = RunState(total=6)
    state.seat("tax-1", QUESTION, ("psro", "debate"))
    standing = state.running["tax-1"]
    assert show_stage(standing) == "opening"
    state.take(PLAYED)
    assert show_stage(standing) == "3 debate"
    state.take(CONCLUDED)
    assert show_stage(standing) == "debate"
    state.leave("tax-1", "psro")  # told twice: nothing more to leave
    state.leave("tax-1", "debate")
    state.leave("tax-1", "debate")
    assert not state.running


def test_plain_lines_are_few_and_say_where_it_stands() -> None:
    console, stream = _console(terminal=False)
    view = make_view(console)
    assert isinstance(view, PlainView)
    state = RunState(total=3, finished=1)
    view.start(state)
    view.update(state)
    view.update(state, "tax: converged after 2 rounds")
    view.stop(state)
    assert stream.getvalue().splitlines() == [
        "3 negotiations, 1 of them finished before",
        "tax: converged after 2 rounds",
    ]
    patient, stream = _console(terminal=False)
    PlainView(patient, interval_s=0.0).update(state)
    assert stream.getvalue().startswith("1/3 finished, 0 failed, 0 running")


def test_live_view_shows_round_gains_and_speed() -> None:
    console, stream = _console(terminal=True)
    view = make_view(console)
    assert isinstance(view, LiveView)
    state = RunState(total=3)
    view.update(state)  # before the start: nothing to draw on
    view.start(state)
    state.seat("tax-1", QUESTION)
    state.take(PLAYED)
    view.update(state, "a [note]")
    view.stop(state)
    view.stop(state)
    shown = stream.getvalue()
    assert QUESTION in shown
    assert "+0.021 -" in shown
    assert "tokens/s" in shown
    assert "a [note]" in shown


def test_silent_view_says_nothing() -> None:
    console, stream = _console(terminal=True)
    view = make_view(console, silent=True)
    assert isinstance(view, SilentView)
    view.start(RunState(total=1))
    view.update(RunState(total=1), "note")
    view.stop(RunState(total=1))
    assert stream.getvalue() == ""


def test_gains() -> None:
    assert show_gains(()) == ""
    assert show_gains((-0.5, 0.25)) == "-0.500 +0.250"
