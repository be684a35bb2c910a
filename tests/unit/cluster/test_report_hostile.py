"""Texts by language models must never become markup, script or a request in the report."""

from __future__ import annotations

import base64
import hashlib
import json
import re

import pytest

from cluster.report import write_report
from cluster.report.figures import label
from negotiation.topic import Topic
from tests.unit.cluster.report_runs import negotiated, run_folder
from tests.unit.cluster.test_report import FAILURE, Page

ATTACKS = (
    "</script><script>alert(1)</script>",
    "</title></style><img src=https://evil.example/x onerror=alert(1)>",
    '" onmouseover="alert(1)" x=\'',
    "<!--<script>",
    '<a href="https://evil.example">click</a>',
    "{{ 7 * 7 }}{% include 'x' %}",
    "]]>&lt;b&gt;&#60;i&#62;",
    "\u202egnirts\u202c \u2028 line \x07",
    "%{x}--p0/0.5",
)


@pytest.fixture(scope="module")
def html(tmp_path_factory) -> str:
    bad = " ".join(ATTACKS)
    topic = Topic("t<i>", f"Is this safe? {bad}", f"Cat {bad}")
    items = [negotiated(topic, seed=s, say=lambda text: f"{bad} {text}") for s in (1, 2)]
    failure = {**FAILURE, "players": [bad], "message": f"{bad} \ud800", "error": bad, "topic": {"text": bad}}
    run = run_folder(tmp_path_factory.mktemp("runs") / "a<b>&c", items, [failure])
    (run / "config.yaml").write_text(f"# {bad}\n", encoding="utf-8")
    (run / "metrics.json").write_text(json.dumps({bad: bad}))
    return write_report(run).read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def page(html) -> Page:
    return Page(html)


def test_texts_are_shown_and_nothing_of_them_is_markup(page):
    names = {tag for tag, _ in page.tags}
    assert not names & {"img", "iframe", "object", "embed", "link", "base", "svg"}
    assert sum(tag == "script" for tag, _ in page.tags) == 2 + 3  # two of ours, three with figures
    assert "</script><script>alert(1)</script>" in page.text
    assert "{{ 7 * 7 }}" in page.text
    # An HTML parser in a browser and in Python see the same text for what was escaped once.
    assert "]]>&lt;b&gt;&#60;i&#62;" in page.text


def test_no_attribute_runs_or_loads_anything(page):
    for tag, attributes in page.tags:
        for name, value in attributes.items():
            assert not name.startswith("on"), (tag, name)
            assert name not in ("src", "srcset", "action", "formaction", "background", "poster"), (tag, name)
            if name == "href":
                assert re.fullmatch(r"#[a-z0-9-]+", value or ""), value


def test_style_and_own_script_name_no_address(html):
    style = re.search(r"<style>(.*?)</style>", html, re.S).group(1)
    own = html[html.rindex("<script>") :]
    for part in (style, own):
        assert "http" not in part
        assert "url(" not in part
        assert "@import" not in part


def test_figure_data_cannot_end_its_element_and_plotly_sees_no_markup(html, page):
    blocks = re.findall(r'<script type="application/json" class="figures">(.*?)</script>', html, re.S)
    assert len(blocks) == 3
    assert not any(set("<>&") & set(block) for block in blocks)

    def texts(value):
        if isinstance(value, dict):
            for key, inner in value.items():
                if key not in ("alt", "narrow"):
                    yield from texts(inner)
            yield from texts(list(value.get("narrow", {}).values()))
        elif isinstance(value, list):
            for inner in value:
                yield from texts(inner)
        elif isinstance(value, str):
            yield value

    for text in texts(list(page.figures.values())):
        assert set(re.findall(r"<[^>]*>?", text)) <= {"<b>", "</b>", "<br>", "<extra>", "</extra>"}, text


def test_policy_allows_our_two_scripts_alone(html, page):
    (policy,) = [a["content"] for tag, a in page.tags if a.get("http-equiv") == "Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy.split("script-src")[1].split(";")[0]
    scripts = re.findall(r"<script>(.*?)</script>", html, re.S)
    assert len(scripts) == 2
    for script in scripts:
        digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
        assert f"'sha256-{digest}'" in policy


def test_labels_for_plotly():
    assert label("<a href='x'>y</a> & z") == "&lt;a href='x'&gt;y&lt;/a&gt; &amp; z"
    assert label("") == ""
    assert label("one two three", width=5, lines=2) == "one<br>two\u2026"
    assert "\u202e" not in label("\u202etxet")
