"""Texts in JSONL: order, chunks, bad lines, going on after a stop, whole or absent."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from cluster.rewriting.rewrite_lines import CHUNK, Lines, count_lines, rewrite_lines
from negotiation.errors import ConfigurationError, RunError
from rewriter.injection import Injection
from rewriter.targets import Absolute, Wanted
from rewriter.vocabulary import Shift
from tests.unit.rewriter.fakes import ZERO, LengthJudge, NumberDetector, NumberRewriter, no_guards

UP = Shift((0.5, *ZERO[1:]))


class Stopped(Exception):
    """What the machine does at an unlucky moment."""


def run(
    source: Path,
    output: Path,
    rewriter: NumberRewriter | None = None,
    otherwise: Wanted | None = None,
    **settings: Any,
) -> Lines:
    injection = Injection(NumberDetector(), rewriter or NumberRewriter(), LengthJudge(), no_guards)
    return rewrite_lines(injection, source, output, settings, lambda words: UP, otherwise)


def written(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def source_of(tmp_path: Path, *lines: object) -> Path:
    path = tmp_path / "in.jsonl"
    path.write_text("\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines) + "\n")
    return path


def test_lines_come_back_in_order_with_what_was_measured(tmp_path):
    source = source_of(
        tmp_path,
        {"id": 7, "text": "a b [0:0.2]", "toward": "more"},
        {"text": "c d", "target": [0.0, 0.4, *ZERO[2:]]},
    )
    lines = run(source, tmp_path / "out.jsonl")
    assert lines == Lines(2, (), 0, 0)
    first, second = written(tmp_path / "out.jsonl")
    assert first["id"] == 7
    assert first["text"] == "a b [0:0.2]"
    assert first["rewritten"] == "a b [0:0.700]"
    assert first["values_before"][0] == 0.2
    assert first["values_after"][0] == pytest.approx(0.7)
    assert first["consistency"] == {"forward": 1.0, "backward": 1.0, "mean": 1.0}
    assert second["rewritten"] == "c d [1:0.400]"


def test_bad_lines_are_told_by_number_and_the_others_done(tmp_path):
    source = source_of(
        tmp_path,
        {"text": "a", "toward": "more"},
        "{no json",
        "",
        [1],
        {"toward": "more"},
        {"text": "  ", "toward": "more"},
        {"text": "a", "target": [0.0] * 9},
        {"text": "a", "target": [2.0, *ZERO[1:]]},
        {"text": "a"},
        {"text": "a", "target": list(ZERO), "toward": "more"},
        {"text": "stuck", "toward": "more"},
        {"text": "b", "toward": "more"},
    )
    lines = run(source, tmp_path / "out.jsonl")
    assert lines.done == 2
    told = dict(lines.bad)
    assert list(told) == [2, 4, 5, 6, 7, 8, 9, 10, 11]
    parts = ["no JSON", "a list", "text: Field required", "empty", "9 numbers", "Self-Direction is 2.0"]
    parts += ["neither target", "both given", "no whole reply"]
    for message, part in zip(told.values(), parts, strict=True):
        assert part in message
    rows = written(tmp_path / "out.jsonl")
    assert len(rows) == 11
    assert rows[1] == {"line": "{no json", "error": {"line": 2, "message": told[2]}}
    assert rows[-1]["rewritten"].startswith("b")


def test_an_aim_for_all_serves_lines_without_one(tmp_path):
    source = source_of(tmp_path, {"text": "a"}, {"text": "b", "target": [*ZERO[:9], 1.0]})
    run(source, tmp_path / "out.jsonl", otherwise=Absolute((0.3, *ZERO[1:])))
    assert [row["rewritten"] for row in written(tmp_path / "out.jsonl")] == ["a [0:0.300]", "b [9:1.000]"]


def test_a_mended_output_can_be_the_next_input(tmp_path):
    source = source_of(tmp_path, {"text": "a", "toward": "more", "error": {"line": 1, "message": "old"}})
    assert run(source, tmp_path / "out.jsonl").bad == ()
    assert "error" not in written(tmp_path / "out.jsonl")[0]


def test_chunks_are_bounded(tmp_path):
    source = source_of(tmp_path, *({"text": f"t{k}", "toward": "more"} for k in range(CHUNK * 2 + 5)))
    rewriter = NumberRewriter()
    assert run(source, tmp_path / "out.jsonl", rewriter).done == CHUNK * 2 + 5
    assert rewriter.batches == [CHUNK, CHUNK, 5]


def _stopping(after: int) -> NumberRewriter:
    class Stopping(NumberRewriter):
        def rewrite(self, requests):
            if len(self.batches) == after:
                raise Stopped
            return super().rewrite(requests)

    return Stopping()


def test_a_stopped_file_goes_on_where_it_was(tmp_path):
    rows: list[object] = [{"text": f"t{k}", "toward": "more"} for k in range(CHUNK * 3)]
    rows[3] = "{bad"
    rows[5] = {"text": "collapsed", "toward": "more"}
    source, output = source_of(tmp_path, *rows), tmp_path / "out.jsonl"
    with pytest.raises(Stopped):
        run(source, output, _stopping(2))
    assert not output.exists()  # whole or absent
    (part,) = tmp_path.glob(".out.jsonl.*.part")
    with part.open("a") as file:
        file.write('{"torn')
    rewriter = NumberRewriter()
    lines = run(source, output, rewriter)
    assert rewriter.batches == [CHUNK]
    assert (lines.done, lines.collapses) == (CHUNK * 3 - 1, 1)
    assert [number for number, _ in lines.bad] == [4]
    assert not list(tmp_path.glob(".out.jsonl.*.part"))
    once = tmp_path / "once.jsonl"
    run(source, once)
    assert output.read_bytes() == once.read_bytes()


def test_other_settings_begin_anew(tmp_path):
    source = source_of(tmp_path, *({"text": f"t{k}", "toward": "more"} for k in range(CHUNK + 1)))
    with pytest.raises(Stopped):
        run(source, tmp_path / "out.jsonl", _stopping(1), seed=1)
    rewriter = NumberRewriter()
    run(source, tmp_path / "out.jsonl", rewriter, seed=2)
    assert sum(rewriter.batches) == CHUNK + 1


def test_files_that_cannot_be_used_are_told(tmp_path):
    with pytest.raises(ConfigurationError, match="No such file"):
        run(tmp_path / "none.jsonl", tmp_path / "out.jsonl")
    with pytest.raises(ConfigurationError, match="cannot be read"):
        count_lines(tmp_path / "none.jsonl")
    (tmp_path / "file").write_text("x")
    with pytest.raises(RunError, match="cannot write"):
        run(source_of(tmp_path, {"text": "a", "toward": "more"}), tmp_path / "file" / "out.jsonl")


def test_lines_that_are_not_blank_are_counted(tmp_path):
    assert count_lines(source_of(tmp_path, "a", "", " ", "b")) == 2
