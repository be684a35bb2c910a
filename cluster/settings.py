"""Where settings come from (a YAML file, environment variables, flags), and what is wrong in them.

An environment variable names a field by its path, two underscores between parts, and holds its value as YAML:
``CONCORDAT_SEED=3``, ``CONCORDAT_GAME__SOLVER__KIND=prd``, ``CONCORDAT_MODEL=bundled``.
"""

from __future__ import annotations

import difflib
import types
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin

import yaml
from pydantic import BaseModel, ValidationError

from negotiation.errors import ConfigurationError

ENVIRONMENT_PREFIX = "CONCORDAT_"

TAGS = ("kind", "method")
"""Fields that tell which of several kinds of settings a branch holds."""

NO_SETTINGS = frozenset({"CONCORDAT_API_KEY", "CONCORDAT_RUNS", "CONCORDAT_SERVE_KEYS"})
"""Environment variables with that prefix that are no settings: secrets, and where jobs keep their runs."""

Settings = TypeVar("Settings", bound=BaseModel)


def read_yaml(path: Path) -> dict[str, Any]:
    """The mapping in a YAML file; an empty file is an empty mapping.

    Raises:
        ConfigurationError: naming the file, and the line of a syntax error.
    """
    try:
        tree = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigurationError(
            f"configuration {path}: {error.strerror}; give a readable YAML file"
        ) from error
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigurationError(f"configuration {path} is not UTF-8 YAML: {error}") from error
    if tree is None:
        return {}
    if not isinstance(tree, dict):
        raise ConfigurationError(
            f"configuration {path}: expected fields with values, found a {type(tree).__name__}"
        )
    return tree


def read_environment(environment: Mapping[str, str]) -> dict[str, Any]:
    """The settings among environment variables, as a tree.

    >>> read_environment({"CONCORDAT_GAME__ALPHA": "0.7", "CONCORDAT_SEED": "3", "HOME": "/root"})
    {'game': {'alpha': 0.7}, 'seed': 3}
    """
    tree: dict[str, Any] = {}
    names = [name for name in environment if name.startswith(ENVIRONMENT_PREFIX) and name not in NO_SETTINGS]
    for name in sorted(names):
        *parents, last = name.removeprefix(ENVIRONMENT_PREFIX).lower().split("__")
        try:
            value = yaml.safe_load(environment[name])
        except yaml.YAMLError:
            value = environment[name]  # a plain text that is no YAML, such as one that begins with a quote
        branch = tree
        for part in parents:
            branch = branch.setdefault(part, {})
            if not isinstance(branch, dict):
                raise ConfigurationError(
                    f"environment variable {name}: {part!r} is set as a whole by another one; keep one"
                )
        branch[last] = value
    return tree


def merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """``over`` laid over ``base`` by field; another ``kind`` replaces the branch, since its fields differ.

    >>> merge({"seed": 1, "solver": {"kind": "prd", "step": 0.1}}, {"solver": {"kind": "exact"}})
    {'seed': 1, 'solver': {'kind': 'exact'}}
    """
    merged = dict(base)
    for key, value in over.items():
        old = merged.get(key)
        if isinstance(old, Mapping) and isinstance(value, Mapping):
            other_kind = "kind" in value and value["kind"] != old.get("kind")
            merged[key] = dict(value) if other_kind else merge(old, value)
        else:
            merged[key] = value
    return merged


def validate(model: type[Settings], tree: Mapping[str, Any], source: str) -> Settings:
    """Build the configuration from a tree.

    Raises:
        ConfigurationError: one line a fault: field, what is wrong, value, the nearest name of an unknown one.
    """
    try:
        return model.model_validate(tree)
    except ValidationError as error:
        faults = [_fault(model, fault) for fault in error.errors(include_url=False)]
        if len(faults) == 1:
            raise ConfigurationError(f"{source}: {faults[0]}") from error
        raise ConfigurationError("\n  ".join([f"{source}: {len(faults)} faults", *faults])) from error


def _fault(model: type[BaseModel], fault: Mapping[str, Any]) -> str:
    path = ".".join(str(part) for part in _without_tags(model, fault["loc"]))
    if fault["type"] == "extra_forbidden":
        known = sorted(_fields_at(model, fault["loc"][:-1]))
        near = difflib.get_close_matches(str(fault["loc"][-1]), known, n=1, cutoff=0.5)
        return f"unknown field {path!r}; " + (
            f"did you mean {near[0]!r}?" if near else f"known are {', '.join(known)}"
        )
    message = fault["msg"].removeprefix("Value error, ")
    if fault["type"] in ("missing", "value_error") or isinstance(fault["input"], (dict, BaseModel)):
        return f"{path}: {message}" if path else message
    shown = repr(fault["input"])
    return f"{path}: {message}; it is {shown if len(shown) <= 60 else shown[:57] + '...'}"


def _members(annotation: Any) -> Iterator[Any]:
    """The alternatives of a union (or the one type), without Annotated and None."""
    origin = get_origin(annotation)
    if origin is Annotated:
        yield from _members(get_args(annotation)[0])
    elif origin in (Union, types.UnionType):
        for member in get_args(annotation):
            yield from _members(member)
    elif annotation is not type(None):
        yield annotation


def _is_model(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def _steps(model: type[BaseModel], loc: tuple[int | str, ...]) -> Iterator[tuple[int | str, bool, list[Any]]]:
    """Walk an error's location: (part, whether it is a union tag and no field, the types after it)."""
    here: list[Any] = [model]
    for part in loc:
        models = [member for member in here if _is_model(member)]
        field = next((member.model_fields[part] for member in models if part in member.model_fields), None)
        if field is not None:
            here = list(_members(field.annotation))
            yield part, False, here
            continue
        tagged = [
            member
            for member in models
            for tag in TAGS
            if tag in member.model_fields and part in get_args(member.model_fields[tag].annotation)
        ]
        if tagged:
            here = tagged
        elif models and len(here) > 1 and part in {member.__name__ for member in models}:
            here = [member for member in models if member.__name__ == part]
            tagged = here
        else:
            here = [inner for member in here for argument in get_args(member) for inner in _members(argument)]
        yield part, bool(tagged), here


def _without_tags(model: type[BaseModel], loc: tuple[int | str, ...]) -> list[int | str]:
    return [part for part, is_tag, _ in _steps(model, loc) if not is_tag]


def _fields_at(model: type[BaseModel], loc: tuple[int | str, ...]) -> set[str]:
    here = [step[2] for step in _steps(model, loc)][-1] if loc else [model]
    return {name for member in here if _is_model(member) for name in member.model_fields}
