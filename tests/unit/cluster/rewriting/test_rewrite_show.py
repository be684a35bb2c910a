"""A rewriting on the terminal and a search as a picture."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from agents.values import SCHWARTZ_VALUES
from cluster.rewriting.rewrite_picture import search_picture
from cluster.rewriting.rewrite_show import HALF, bar, show, show_search
from rewriter.injection import Injection
from rewriter.search import Found, SearchConfig, search
from rewriter.vocabulary import Consistency, RewriteRequest, Rewriting
from tests.unit.rewriter.fakes import ZERO, LengthJudge, NumberDetector, NumberRewriter, no_guards

TEXT = "We decide [bold]freely[/bold]."
REWRITING = Rewriting(
    RewriteRequest(TEXT, (0.5, *ZERO[1:]), (-0.5, *ZERO[1:])),
    "Elders decide.",
    (-0.25, 0.1, *ZERO[2:]),
    Consistency(0.5, 0.7, ("number 3 is lost",)),
    ("copy: of some kind",),
)


def printed(draw, *arguments: object, width: int = 80) -> str:
    stream = io.StringIO()
    draw(Console(file=stream, width=width, force_terminal=False), *arguments)
    return stream.getvalue()


def test_all_is_told_in_eighty_columns():
    text = printed(show, REWRITING, ["Self-Direction -1.00: read in 'no freedom'"])
    assert "…" not in text
    assert all(len(line) <= 80 for line in text.splitlines() if "│" in line)
    for part in (
        TEXT,
        "Elders decide.",
        "no freedom",
        *SCHWARTZ_VALUES,
        "number 3 is lost",
        "copy: of some kind",
    ):
        assert part in text
    (row,) = [line for line in text.splitlines() if line.startswith("Self-Direction ") and "│" in line]
    assert [part for part in row.split() if part[0] in "+-"] == ["+0.50", "-0.50", "-0.25"]
    assert "Moved +0.75 of 1.00 asked" in text
    assert "forward 0.50" in text
    assert "mean 0.60" in text


@given(st.floats(-1, 1))
def test_a_bar_has_one_width_and_one_side(value):
    drawn = bar(value)
    left, right = drawn.split("│")
    assert (len(left), len(right)) == (HALF, HALF)
    assert not (left.strip() and right.strip())
    assert bool(right.strip()) is (value * HALF * 8 >= 0.5 + 1e-9) or abs(value * HALF * 8 - 0.5) < 1e-6


def found(text: str) -> Found:
    whole = Injection(NumberDetector(), NumberRewriter(), LengthJudge(), no_guards)
    return search(whole, text, SearchConfig(budget=20))


@pytest.mark.parametrize("text", ["a b", "stuck"])
def test_a_search_is_told_and_drawn(text):
    result = found(text)
    told = printed(show_search, result, width=160)
    assert f"{len(result.front)} of 20 rewritings" in told
    assert search_picture(result).startswith(b"\x89PNG")
