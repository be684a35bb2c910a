"""Command-line arguments: several values after one flag, and flags as a configuration tree."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from negotiation.errors import ConfigurationError

SEVERAL_VALUES = frozenset(
    {"--cultures", "--countries", "--items", "--seeds", "--vsm-constants", "--weights"}
)
"""Flags that take every word up to the next flag; the others are repeated."""

_FIELD_OF_FLAG = {
    "cultures": ("cultures",),
    "pairs": ("pairs",),
    "seeds": ("seeds",),
    "method": ("methods",),
    "model": ("model",),
    "proposing": ("proposing",),
    "embedder": ("embedder",),
    "profiles": ("grounding", "profiles"),
    "seed": ("seed",),
    "alpha": ("game", "alpha"),
    "beta": ("game", "beta"),
    "gamma": ("game", "gamma"),
    "epsilon": ("game", "epsilon"),
    "rounds": ("game", "rounds"),
    "concurrency": ("concurrency",),
    "out": ("out",),
}


def spread_values(arguments: Sequence[str]) -> list[str]:
    """Repeat a flag before each of its values, which is the form that the parser knows.

    >>> spread_values(["negotiate", "--cultures", "confucian", "latin-america", "--seed", "3"])
    ['negotiate', '--cultures', 'confucian', '--cultures', 'latin-america', '--seed', '3']
    """
    spread: list[str] = []
    flag = ""
    for place, argument in enumerate(arguments):
        if argument == "--":
            return spread + list(arguments[place:])
        if argument.startswith("-"):
            flag = argument if argument in SEVERAL_VALUES else ""
        elif flag and spread[-1] != flag:
            spread.append(flag)
        spread.append(argument)
    return spread


def settings_of_flags(flags: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration tree that flags of ``concordat negotiate`` ask for; those not given are not in it.

    Raises:
        ConfigurationError: if both --topic and --topics are given, or an --adapter is no CULTURE=PATH.

    >>> settings_of_flags({"seed": 3, "alpha": None, "solver": "prd", "adapter": ["confucian=/models/c"]})
    {'seed': 3, 'game': {'solver': {'kind': 'prd'}}, 'adapters': {'confucian': '/models/c'}}
    """
    tree: dict[str, Any] = {}
    for flag, (*parents, last) in _FIELD_OF_FLAG.items():
        value = flags.get(flag)
        if value is not None and value != () and value != []:
            branch = tree
            for part in parents:
                branch = branch.setdefault(part, {})
            branch[last] = value
    if flags.get("solver"):
        tree.setdefault("game", {})["solver"] = {"kind": flags["solver"]}
    if flags.get("topic") and flags.get("topics"):
        raise ConfigurationError(
            "--topic and --topics are both given; put all questions into the file, or use --topic"
        )
    topics = flags.get("topic") or flags.get("topics")
    if topics:
        tree["topics"] = topics
    for flag, field in (("adapter", "adapters"), ("proposer", "proposers")):
        if flags.get(flag):
            tree[field] = dict(adapter_of_flag(text, flag) for text in flags[flag])
    return tree


def adapter_of_flag(text: str, flag: str = "adapter") -> tuple[str, str]:
    """Culture and path of one ``--adapter`` or another flag like it; ``ConfigurationError`` if it is no CULTURE=PATH."""
    culture, sign, path = text.partition("=")
    if not (sign and culture and path):
        raise ConfigurationError(
            f"--{flag} {text!r} is no CULTURE=PATH; write e.g. --{flag} confucian=adapters/confucian"
        )
    return culture, path
