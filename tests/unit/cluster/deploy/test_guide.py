"""The commands of the guide to clusters are commands: known words, known options, files that are there."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml
from typer.main import get_command

ROOT = Path(__file__).parents[4]
GUIDE = ROOT / "docs" / "cluster.md"
TEXT = GUIDE.read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", TEXT, re.DOTALL)


def lines() -> list[list[str]]:
    """Command lines of all shell blocks, as words."""
    found = [shlex.split(line, comments=True) for block in blocks("bash") for line in block.splitlines()]
    return [words for words in found if words]


def commands(program: str) -> list[list[str]]:
    """What follows a program's name, also where it comes after ``--`` or another program starts it."""
    found = []
    for words in lines():
        starts = [0, *(place + 1 for place, word in enumerate(words) if word == "--")]
        found += [words[start + 1 :] for start in starts if start < len(words) and words[start] == program]
        if program == "concordat" and words[0] == "sbatch":
            script = next(place for place, word in enumerate(words) if word.endswith(".sbatch"))
            found.append([*words[script + 1 :], "--address", "10.0.0.1:6379", "--resume"])
        if program == "concordat" and words[:2] == ["concordat", "submit"]:
            found.append(words[words.index("--") + 1 :])
    return found


def check(command: Any, name: str, arguments: list[str]) -> None:
    """Parse a command line without running it; raises for unknown words and options."""
    if not hasattr(command, "commands"):
        command.make_context(name, list(arguments))
        return
    first, *rest = arguments
    assert first in command.commands, f"{name} {first}"
    check(command.commands[first], f"{name} {first}", rest)


@pytest.fixture(scope="module")
def concordat() -> Any:
    from cluster.cli import app

    return get_command(app)


def test_lines_of_concordat_are_understood(concordat: Any) -> None:
    from cluster.arguments import spread_values

    found = commands("concordat")
    assert len(found) > 8
    for arguments in found:
        check(concordat, "concordat", list(spread_values(arguments)))
        if "--model" in arguments:
            from agents.models.config import parse_model_argument

            parse_model_argument(arguments[arguments.index("--model") + 1])


def test_an_unknown_option_would_be_found(concordat: Any) -> None:
    usage_error = typer.BadParameter.__mro__[1]
    with pytest.raises(usage_error):
        check(concordat, "concordat", ["negotiate", "--cultres", "confucian"])
    with pytest.raises(AssertionError):
        check(concordat, "concordat", ["negotate"])


def test_lines_of_ray_are_understood() -> None:
    from ray.scripts.scripts import cli

    found = commands("ray")
    assert {words[0] for words in found} >= {"start", "up", "down", "job", "get-auth-token"}
    for words in found:
        check(cli, "ray", words)


def test_files_of_commands_and_links_are_there() -> None:
    named = {word for words in lines() for word in words if word.startswith(("cluster/", "benchmarks/"))}
    links = set(re.findall(r"\]\((?!https?://|#)([^)#]+)", TEXT))
    assert named
    assert links
    assert [name for name in named if not (ROOT / name).exists()] == []
    assert [link for link in links if not (GUIDE.parent / link).exists()] == []


def test_headings_that_are_linked_are_there() -> None:
    headings = {re.sub(r"[^a-z -]", "", line.lower()).replace(" ", "-") for line in found_headings()}
    assert set(re.findall(r"\]\(#([^)]+)\)", TEXT)) <= headings


def found_headings() -> Iterator[str]:
    for line in TEXT.splitlines():
        if line.startswith("## "):
            yield line.removeprefix("## ")


def test_words_of_setup_and_options_of_the_benchmark_are_known() -> None:
    from benchmarks.engines import parser

    known = (ROOT / "setup.sh").read_text(encoding="utf-8")
    for words in lines():
        if words[0] == "./setup.sh":
            assert all(re.search(rf"[ |]{word}[ |)]", known) for word in words[1:])
        if words[:2] == ["python", "benchmarks/engines.py"]:
            parser().parse_args(words[2:])


def test_settings_are_those_of_concordat(tmp_path: Path) -> None:
    from cluster.config import load_config

    found = blocks("yaml")
    assert len(found) == 2
    for place, text in enumerate(found):
        file = tmp_path / f"{place}.yaml"
        file.write_text(text, encoding="utf-8")
        assert yaml.safe_load(text)["resources"]["actors"] == "shared"
        load_config({"pairs": "all", "topics": "examples"}, file, environment={})
