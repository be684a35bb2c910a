"""What ``concordat rewrite`` does: one text, a file of texts, or a search."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from agents.values import SCHWARTZ_VALUES
from cluster.console import FAILED, OK, Output
from cluster.rewriting.rewrite_config import RewriteConfig, rewrite_config
from cluster.rewriting.rewrite_parts import Parts, open_parts
from rewriter.targets import InstructionAim, PolicyAim, Wanted, read_policy, resolve

if TYPE_CHECKING:
    from rewriter.vocabulary import Translator

FILE, PICTURE = "search.json", "search.png"
"""What is kept in the folder that ``--out`` names."""

_BAD_SHOWN = 10
"""Bad lines that are told one by one."""


def run_rewrite(flags: Mapping[str, Any], dry_run: bool, output: Output) -> int:
    """Rewrite, and print or keep what came of it."""
    config = rewrite_config(flags)
    if dry_run:
        return _show_plan(config, output)
    if config.out is not None:
        from cluster.rewriting.rewrite_picture import search_picture  # noqa: F401 - asks for matplotlib now
    aim = config.aim()
    early = (
        None if isinstance(aim, PolicyAim) else _resolved(config)
    )  # a wrong aim is told before models load
    if isinstance(aim, PolicyAim):
        read_policy(aim)
    if config.input is not None:
        from cluster.rewriting.rewrite_lines import count_lines

        count_lines(config.input)
    with open_parts(config.parts, config.serial, config.address) as parts:
        wanted = (
            resolve(aim, config.strength, detector=parts.detector) if isinstance(aim, PolicyAim) else early
        )
        if config.search:
            return _search(config, parts, output)
        if config.input is not None:
            return _rewrite_file(config, parts, wanted, output)
        assert wanted is not None
        return _rewrite_text(config, parts, wanted, output)


def _translator(config: RewriteConfig) -> Translator:
    from rewriter.translator import load_translator

    return load_translator(config.translator, num_threads=1)


def _resolved(config: RewriteConfig) -> Wanted | None:
    """The aim of all texts, if there is one that needs no detector."""
    aim = config.aim()
    if aim is None or isinstance(aim, PolicyAim):
        return None
    translator = _translator(config) if isinstance(aim, InstructionAim) else None
    return resolve(aim, config.strength, translator=translator)


def _rewrite_text(config: RewriteConfig, parts: Parts, wanted: Wanted, output: Output) -> int:
    from cluster.rewriting.rewrite_lines import rewriting_tree
    from cluster.rewriting.rewrite_show import show

    injected = parts.injection().inject([config.text or ""], [wanted])
    if injected.failures:
        raise injected.failures[0].error
    (rewriting,) = injected.rewritings
    if output.as_json:
        tree = {"text": config.text, **rewriting_tree(rewriting), "asked": list(wanted.explanation)}
        output.result(tree | _names(parts))
    else:
        show(output.table_console, rewriting, wanted.explanation)
    return OK


def _rewrite_file(config: RewriteConfig, parts: Parts, wanted: Wanted | None, output: Output) -> int:
    from cluster.rewriting.rewrite_lines import rewrite_lines

    assert config.input is not None
    assert config.output is not None
    translator = _translator(config)
    console = output.side_console

    def aimed(words: str) -> Wanted:
        return resolve(InstructionAim(words), config.strength, translator=translator)

    lines = rewrite_lines(
        parts.injection(),
        config.input,
        config.output,
        config.model_dump(mode="json", exclude={"input", "output", "serial", "address", "out", "searching"}),
        aimed,
        wanted,
        lambda done: console.print(f"{done} lines", highlight=False),
    )
    for number, message in lines.bad[:_BAD_SHOWN]:
        console.print(
            f"{config.input}, line {number}: {message}", markup=False, highlight=False, soft_wrap=True
        )
    if len(lines.bad) > _BAD_SHOWN:
        console.print(f"... and {len(lines.bad) - _BAD_SHOWN} more bad lines", highlight=False)
    if output.as_json:
        bad = [{"line": number, "message": message} for number, message in lines.bad]
        counts = {"rewritten": lines.done, "copies": lines.copies, "collapses": lines.collapses, "bad": bad}
        output.result({"output": str(config.output), **counts, **_names(parts)})
    else:
        output.table_console.print(
            f"{lines.done} rewritten, {len(lines.bad)} bad lines, {lines.copies} copies, {lines.collapses} collapsed:"
            f" {config.output}",
            highlight=False,
            markup=False,
            soft_wrap=True,
        )
    return FAILED if lines.bad else OK


def _search(config: RewriteConfig, parts: Parts, output: Output) -> int:
    from cluster.rewriting.rewrite_show import show_search
    from rewriter.search import search

    found = search(parts.injection(), config.text or "", config.searching)
    tree = found.tree() | _names(parts)
    if config.out is not None:
        from cluster.rewriting.rewrite_picture import search_picture

        config.out.mkdir(parents=True, exist_ok=True)
        text = json.dumps(tree, ensure_ascii=False, indent=1, allow_nan=False)
        (config.out / FILE).write_text(text + "\n", encoding="utf-8")
        (config.out / PICTURE).write_bytes(search_picture(found))
    if output.as_json:
        output.result(tree)
        return OK
    show_search(output.table_console, found)
    if config.out is not None:
        output.table_console.print(f"Kept: {config.out}", soft_wrap=True, highlight=False, markup=False)
    return OK


def _names(parts: Parts) -> dict[str, Any]:
    return {
        "values": list(SCHWARTZ_VALUES),
        "rewriter": parts.rewriter.name,
        "detector": parts.detector.name,
        "judge": parts.judge.name,
    }


def _show_plan(config: RewriteConfig, output: Output) -> int:
    """What would be done: the aim as it is read, and all settings."""
    import yaml

    aim = config.aim()
    tree: dict[str, Any] = {"settings": config.model_dump(mode="json", exclude_none=True)}
    if isinstance(aim, PolicyAim):
        tree["asked"] = [f"consensus on {read_policy(aim).topic.text!r}, as the detector will read it"]
    else:
        wanted = _resolved(config)
        if wanted is not None:
            named = dict(zip(SCHWARTZ_VALUES, [round(value, 4) for value in wanted.values], strict=True))
            tree |= {"asked": list(wanted.explanation), type(wanted).__name__.lower(): named}
    if config.input is not None:
        from cluster.rewriting.rewrite_lines import count_lines

        tree["lines"] = count_lines(config.input)
    if output.as_json:
        output.result(tree)
    else:
        print(yaml.safe_dump(tree, sort_keys=False, allow_unicode=True), end="")
    return OK
