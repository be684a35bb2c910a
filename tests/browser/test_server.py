"""The page in a real Chromium against ``concordat serve`` with the bundled model.

With CONCORDAT_SCREENSHOTS=docs/images it writes the pictures of the page; CONCORDAT_RUN=runs/... serves that run instead of a
small one of its own, CONCORDAT_POLICY=ID opens that policy instead of the first, and CONCORDAT_URL=http://... asks a server that
runs already:

    CONCORDAT_SCREENSHOTS=docs/images CONCORDAT_RUN=runs/first pytest tests/browser/test_server.py -m slow
"""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.browser.conftest import Visit, Visiting, playwright
from tests.policy_server import PolicyServer, policy
from tests.unit.cluster.serving.standins import bargaining_policy, write_bargaining

pytest.importorskip("torch", reason="the bundled model needs the extra 'cpu' or 'gpu'")
pytest.importorskip("ray.serve", reason="the server needs the extra 'serve'")
pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

expect = playwright.expect
START_S, STOP_S = 400, 90
LONG_MS = 900_000
QUESTION = "Should voting be a duty?"


def policy_file(folder: Path) -> None:
    """A policy of the stand-in, as a run keeps it."""
    told = policy(PolicyServer(), "duty-1").model_dump()
    tree = {
        "policy_version": 1,
        "negotiation_id": told["id"],
        "record_digest": "0",
        "topic": told["topic"],
        "players": told["sides"],
        "equilibrium": {"solver": "exact", "nash_conv": told["nash_conv"], "solver_converged": True},
        "converged": told["converged"],
        "stop_reason": "equilibrium",
        "rounds": told["rounds"],
        "seed": 0,
        "provenance": {},
    }
    folder.mkdir(parents=True)
    (folder / "duty-1.json").write_text(json.dumps(tree))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Its address."""
    if "CONCORDAT_URL" in os.environ:
        yield os.environ["CONCORDAT_URL"]
        return
    named = os.environ.get("CONCORDAT_RUN")
    run = Path(named) if named else tmp_path_factory.mktemp("run")
    if not named:
        policy_file(run / "policies")
        write_bargaining(run, bargaining_policy("duty-1"))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("CONCORDAT_")}
    process = subprocess.Popen(
        [sys.executable, "-m", "cluster.cli", "serve", str(run), "--port", str(port)], env=environment
    )
    url = f"http://127.0.0.1:{port}"
    try:
        wait_until_ready(url, process)
        yield url
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()


def wait_until_ready(url: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        assert process.poll() is None, "the server ended by itself"
        try:
            with urllib.request.urlopen(f"{url}/readyz", timeout=15) as response:
                if response.status == 200:
                    return
        except (urllib.error.URLError, TimeoutError, ConnectionError):
            pass
        time.sleep(0.5)
    raise AssertionError(f"the server was not ready within {START_S} s")


Screenshot = Callable[..., None]


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (400, "light"), (1280, "dark")])
def test_a_day_at_the_page(
    server: str, visit: Visiting, screenshot: Screenshot, width: int, scheme: str
) -> None:
    seen = visit(server, width=width, scheme=scheme)
    name = f"page-{width}" + ("-dark" if scheme == "dark" else "")
    page = seen.go()
    negotiate(page)
    assert seen.too_wide == 0
    screenshot(seen, f"{name}-negotiate")
    open_policy(seen)
    ask(page)
    assert seen.too_wide == 0
    screenshot(seen, f"{name}-ask")
    for view in ("policies", "cultures"):
        seen.go(view)
        page.wait_for_timeout(300)
        assert seen.too_wide == 0
        if view == "cultures":
            screenshot(seen, f"{name}-{view}")
    open_policy(seen)
    expect(page.get_by_role("img", name="Policy: highest")).to_be_visible(timeout=LONG_MS)
    screenshot(seen, f"{name}-policy")
    bargain(page)
    assert seen.too_wide == 0
    screenshot(seen, f"{name}-bargain", part="#bargain")


def open_policy(seen: Visit) -> None:
    """The one that is named in the environment, or the first."""
    if "CONCORDAT_POLICY" in os.environ:
        seen.go(f"policy/{os.environ['CONCORDAT_POLICY']}")
    else:
        seen.go("policies").locator(".row a").first.click()


def negotiate(page: Any) -> None:
    page.get_by_text("More settings").click()
    page.get_by_label("Seed").fill("1")  # with which the bundled model's sides add guidelines
    page.get_by_text("More settings").click()
    page.get_by_role("textbox", name="Question", exact=True).fill(QUESTION)
    page.get_by_role("button", name="Start the negotiation").click()
    shown = page.locator("#negotiation")
    expect(shown.get_by_text("After round 1")).to_be_visible(timeout=LONG_MS)
    expect(shown.get_by_role("img", name="Gains by round. Round 1: English-Speaking")).to_be_visible()
    expect(shown.locator(".outcome")).to_be_visible(timeout=LONG_MS)
    expect(shown.locator(".outcome")).to_contain_text("round")
    sides = shown.locator(".side")
    expect(sides).to_have_count(2)
    for k in range(2):
        weights = sides.nth(k).locator(".clause .weight").all_text_contents()
        shares = [float(text.removeprefix("weight ").strip("<>%")) for text in weights]
        assert abs(sum(shares) - 100) <= 2 * len(shares)
        expect(sides.nth(k).locator(".statement").first).not_to_be_empty()
    page.wait_for_timeout(300)


def ask(page: Any) -> None:
    page.get_by_role("link", name="Ask this policy").click(timeout=LONG_MS)
    page.get_by_label("Your question").fill("Should everyone have to vote?")
    page.get_by_role("button", name="Ask", exact=True).click()
    answer = page.locator(".answer").first
    expect(answer.locator(".facts")).to_contain_text("drawn with weight", timeout=LONG_MS)
    expect(answer.get_by_role("region", name="Base model").locator("p")).not_to_be_empty()
    expect(answer.get_by_role("region", name="Policy").locator("p")).not_to_be_empty()
    page.wait_for_timeout(300)


def bargain(page: Any) -> None:
    """Make the offer that is liked best, and accept whatever comes, until the end."""
    page.get_by_role("button", name="Bargain with it").click()
    section = page.get_by_role("region", name="Bargain with it")
    section.get_by_role("button", name="Begin").click()
    act = section.get_by_role("button", name=re.compile("Make this offer|Accept"))
    expect(act).to_be_visible()
    while section.locator(".task").inner_text().startswith("Your turn"):
        said = section.locator(".talk li").count()
        act.click()
        expect(section.locator(".talk li").nth(said)).to_be_visible()
    expect(section.get_by_role("img", name="Payoffs of")).to_be_visible()
    expect(section.locator(".outcome")).to_contain_text("You get")


def test_a_negotiation_is_cancelled(server: str, visit: Visiting) -> None:
    page = visit(server).go()
    page.get_by_label("Question", exact=True).fill(QUESTION)
    page.get_by_role("button", name="Start the negotiation").click()
    page.get_by_role("button", name="Cancel").click()
    expect(page.locator("#negotiation .outcome")).to_have_text("Cancelled.", timeout=LONG_MS)
