"""Flags with several values, and flags as settings."""

from __future__ import annotations

import pytest

from cluster.arguments import settings_of_flags, spread_values
from negotiation.errors import ConfigurationError


def test_the_printed_command_line() -> None:
    spread = spread_values(
        ["negotiate", "--cultures", "english-speaking", "confucian", "--topic", "Should we?"]
    )
    assert spread == [
        "negotiate",
        "--cultures",
        "english-speaking",
        "--cultures",
        "confucian",
        "--topic",
        "Should we?",
    ]


def test_repeated_flags_and_other_flags_are_left_alone() -> None:
    assert spread_values(["--cultures", "a", "--cultures", "b", "c"]) == [
        "--cultures",
        "a",
        "--cultures",
        "b",
        "--cultures",
        "c",
    ]
    assert spread_values(["--topic", "one", "two"]) == ["--topic", "one", "two"]
    assert spread_values(["--cultures", "a", "--", "b", "c"]) == ["--cultures", "a", "--", "b", "c"]
    assert spread_values(["--cultures"]) == ["--cultures"]


def test_only_given_flags_are_settings() -> None:
    flags = {
        "cultures": None,
        "alpha": 0.0,
        "rounds": 3,
        "topic": ["a", "b"],
        "topics": None,
        "json": True,
        "adapter": [],
    }
    assert settings_of_flags(flags) == {"game": {"alpha": 0.0, "rounds": 3}, "topics": ["a", "b"]}


def test_methods_are_repeated() -> None:
    assert settings_of_flags({"method": ["psro", "debate"]}) == {"methods": ["psro", "debate"]}


@pytest.mark.parametrize("text", ["confucian", "=x", "confucian="])
def test_bad_adapter(text: str) -> None:
    with pytest.raises(ConfigurationError, match="CULTURE=PATH"):
        settings_of_flags({"adapter": [text]})


def test_two_kinds_of_topics() -> None:
    with pytest.raises(ConfigurationError, match="--topic and --topics"):
        settings_of_flags({"topic": ["a"], "topics": "f.csv"})
