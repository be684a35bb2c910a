"""``concordat play --server``: the same words as with a folder, and nothing that the server must not tell."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("uvicorn", reason="the server needs the extra 'serve'")

from cluster.bargaining.play import play
from cluster.bargaining.table import Table
from cluster.cli import main
from cluster.serving.config import ServeConfig
from cluster.serving.core import Core
from cluster.serving.http import make_app
from cluster.serving.keys import Doorkeeper, load_keys, make_key
from tests.policy_server import listening
from tests.unit.cluster.serving.standins import (
    FakeServices,
    bargaining_policy,
    policy_tree,
    write_bargaining,
    write_policy,
)

KEY, LINE = make_key("player")


@pytest.fixture
def services() -> FakeServices:
    return FakeServices()


@pytest.fixture
def url(tmp_path: Path, services: FakeServices) -> Iterator[str]:
    """Of a server that asks for a key; one of its two policies was bargained over."""
    for name in ("voting-1", "tax-1"):
        write_policy(tmp_path, policy_tree(name, "Should voting be a duty?"))
    write_bargaining(tmp_path, bargaining_policy("voting-1"))
    (tmp_path / "keys.txt").write_text(f"{LINE}\n")
    config = ServeConfig(run=tmp_path, api_keys=tmp_path / "keys.txt")
    core, keys = Core(config, services), Doorkeeper(load_keys(config.api_keys, {}), 600)
    with listening(make_app(config, lambda: core, lambda: keys)) as address:
        yield address


@pytest.fixture
def concordat(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, str]]:
    """Runs a command, with what the person types."""

    def run(*line: str, typed: tuple[str, ...] = ()) -> tuple[int, str, str]:
        answers = iter(typed)
        monkeypatch.setattr("builtins.input", lambda prompt: next(answers))
        monkeypatch.setattr("sys.argv", ["concordat", *line])
        with pytest.raises(SystemExit) as left:
            main()
        return int(left.value.code or 0), *capsys.readouterr()

    return run


def test_the_words_are_those_of_a_play_here(
    url: str, services: FakeServices, concordat: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONCORDAT_API_KEY", KEY)
    typed = ("r", "3", "a")
    status, out, _ = concordat("play", "--server", url, "vot", "--side", "confucian", typed=typed)
    assert status == 0
    lines: list[str] = []
    answers = iter(typed)
    table = Table(bargaining_policy("voting-1"), 1, np.random.default_rng(services.chance))
    play(table, lambda _: next(answers), lines.append)
    assert out.splitlines() == lines
    assert "  You: reject" in lines


def test_json_has_the_play(url: str, concordat: Callable[..., Any]) -> None:
    line = ("play", "--server", f"{url}/v1/", "--api-key", KEY, "--json")
    status, out, err = concordat(*line, typed=("2",))
    assert status == 0
    assert "Agreed on: Meet halfway" in err
    found = json.loads(out)
    assert (found["policy"], found["side"], found["agreement"]) == ("voting-1", "english-speaking", 1)
    assert [move["says"] for move in found["said"]] == ["Meet halfway", "accept"]
    assert len(found["nash"]["payoffs"]) == 2


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (("tax-1",), "--negotiation tax-1: no policies are of that name; there are voting-1"),
        (("--side", "atlantis"), "the sides are english-speaking, confucian"),
        (("--seed", "3"), "--seed and --server do not go together"),
        (("voting-1", "--negotiation", "voting-1"), "give one"),
        (("--api-key", "wrong"), "does not take this API key"),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else "",
)
def test_what_is_wrong_is_told(
    url: str, concordat: Callable[..., Any], line: tuple[str, ...], words: str
) -> None:
    key = () if "--api-key" in line else ("--api-key", KEY)
    status, _, err = concordat("play", "--server", url, *line, *key)
    assert status == 2
    assert words in " ".join(err.split())


def test_a_run_or_a_server_must_be_named(concordat: Callable[..., Any]) -> None:
    status, _, err = concordat("play")
    assert status == 2
    assert "--server URL" in err


def test_a_server_without_bargaining(concordat: Callable[..., Any], tmp_path: Path) -> None:
    write_policy(tmp_path, policy_tree("voting-1", "Should voting be a duty?"))
    core = Core(ServeConfig(run=tmp_path), FakeServices())
    with listening(make_app(core.config, lambda: core, lambda: Doorkeeper((), 600))) as url:
        status, _, err = concordat("play", "--server", url)
    assert status == 2
    assert "serves no bargaining policies" in err


def test_the_input_ends_too_early(
    concordat: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def closed(prompt: str) -> str:
        raise EOFError

    write_bargaining(tmp_path, bargaining_policy("voting-1"))
    monkeypatch.setattr("cluster.bargaining.play.input", closed, raising=False)
    status, _, err = concordat("play", str(tmp_path))
    assert status == 2
    assert "standard input ended" in err


def test_nobody_answers(concordat: Callable[..., Any]) -> None:
    status, _, err = concordat("play", "--server", "http://127.0.0.1:9", "--json")
    assert status == 1
    assert "name another one with --server" in err
