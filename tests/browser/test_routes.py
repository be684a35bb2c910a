"""The page against the server's own routes, errors and gate; only the models behind them are stand-ins."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from cluster.serving.config import ServeConfig
from cluster.serving.core import Core
from cluster.serving.http import make_app
from cluster.serving.keys import Doorkeeper, load_keys, make_key
from cluster.serving.negotiation_schema import (
    FinishedEvent,
    NegotiateRequest,
    OpenedEvent,
    OpenedSide,
    Started,
)
from cluster.serving.services import Event, data_of
from tests.browser.conftest import Visiting, playwright
from tests.policy_server import PolicyServer, listening, policy, round_event
from tests.unit.cluster.serving.standins import (
    FakeServices,
    bargaining_policy,
    policy_tree,
    write_bargaining,
    write_policy,
)

expect = playwright.expect
KEY, LINE = make_key("reader")


class Services(FakeServices):
    """With the negotiations of the stand-in for the whole server; the question decides whether they wait."""

    def __init__(self) -> None:
        super().__init__()
        self.given_up: list[str] = []

    async def negotiate(self, request: NegotiateRequest, negotiation: str) -> AsyncIterator[Event]:
        result = policy(PolicyServer(), "live", tuple(request.cultures))
        started = Started(negotiation_id=negotiation, cultures=request.cultures, topic=request.topic)
        try:
            yield "started", data_of(started)
            while "wait" in request.topic:
                await asyncio.sleep(0.01)
            sides = [
                OpenedSide(
                    culture=side.culture,
                    statement=side.opening,
                    guideline=side.pool[0].model_dump(include={"id", "content", "reason", "description"}),
                )
                for side in result.sides
            ]
            yield "opened", data_of(OpenedEvent(sides=sides))
            for k in range(3):
                yield "round", data_of(round_event(result, k))
            yield "finished", data_of(FinishedEvent(policy=result))
        finally:
            self.given_up.append(negotiation)


@pytest.fixture
def services() -> Services:
    return Services()


@pytest.fixture
def url(tmp_path: Path, services: Services) -> Iterator[str]:
    write_policy(tmp_path, policy_tree("voting-1", "Should voting be a duty?"))
    write_policy(tmp_path, policy_tree("cars-1", "Should cities ban cars?", ("confucian", "latin-america")))
    write_bargaining(tmp_path, bargaining_policy("voting-1"))
    (tmp_path / "keys.txt").write_text(f"{LINE}\n")
    config = ServeConfig(run=tmp_path, api_keys=tmp_path / "keys.txt")
    core = Core(config, services)
    keys = Doorkeeper(load_keys(config.api_keys, {}), 600)
    with listening(make_app(config, lambda: core, lambda: keys), lifespan="on") as address:
        yield address


def test_the_page_and_the_server_understand_each_other(url: str, services: Services, visit: Visiting) -> None:
    seen = visit(url, refusals=True)
    page = seen.page
    page.goto(url)
    page.get_by_label("API key").fill(KEY)
    page.get_by_role("button", name="Use this key").click()
    expect(page.get_by_role("checkbox")).to_have_count(8)
    expect(page.get_by_role("img", name="Places on the Inglehart-Welzel map")).to_be_visible()
    question = page.get_by_role("textbox", name="Question", exact=True)
    question.fill("Should voting be a duty?")
    page.get_by_role("button", name="Start the negotiation").click()
    expect(page.locator("#negotiation .outcome")).to_contain_text("Converged after 3 rounds")

    page.get_by_role("link", name="Policies").click()
    page.get_by_role("link", name="Should cities ban cars?").click()
    expect(page.get_by_role("img", name="Policy: highest Self-Direction")).to_be_visible()
    page.get_by_role("link", name="Ask this policy").click()
    page.get_by_label("Your question").fill("Why?")
    page.get_by_role("button", name="Ask", exact=True).click()
    answer = page.locator(".answer")
    expect(answer.locator(".facts")).to_contain_text("drawn with weight 100%")
    expect(answer.locator("ins")).to_have_text(["Indeed."])
    expect(page.get_by_label("Who answers")).to_have_value("consensus/cars-1")


def test_a_play_on_the_page_is_one_on_the_server(url: str, services: Services, visit: Visiting) -> None:
    page = visit(url, refusals=True).page
    page.goto(f"{url}/#/policy/voting-1")
    page.get_by_label("API key").fill(KEY)
    page.get_by_role("button", name="Use this key").click()
    section = page.get_by_role("region", name="Bargain with it")
    section.get_by_role("button", name="Begin").click()
    section.get_by_role("button", name="Make this offer").click()
    expect(section.get_by_role("heading", name="Agreed")).to_be_focused()
    expect(section.locator(".outcome")).to_contain_text("You get 1.00.")
    assert len(services.plays) == 1


def test_leaving_the_page_ends_a_negotiation(url: str, services: Services, visit: Visiting) -> None:
    page = visit(url, refusals=True).page
    page.goto(url)
    page.evaluate(f"sessionStorage.setItem('concordat-api-key', '{KEY}')")
    page.reload()
    page.wait_for_selector("html[data-ready]", state="attached")
    page.get_by_role("textbox", name="Question", exact=True).fill("Should one wait?")
    page.get_by_role("button", name="Start the negotiation").click()
    expect(page.get_by_role("button", name="Cancel")).to_be_visible()
    expect(page.locator("#announcer")).to_contain_text("The negotiation has started")
    page.goto("about:blank")
    for _ in range(600):
        if services.given_up:
            break
        page.wait_for_timeout(100)
    assert len(services.given_up) == 1
