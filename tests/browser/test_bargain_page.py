"""Bargaining with a policy in a real Chromium; plays are real ones against a small policy that is known by heart."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.browser.conftest import Visiting, playwright
from tests.browser.test_page import overlaps, violations
from tests.policy_server import PolicyServer, serving

expect = playwright.expect


@pytest.fixture
def server() -> Iterator[PolicyServer]:
    with serving() as running:
        yield running


def begin(page: Any, side: str = "English-Speaking") -> Any:
    page.get_by_role("button", name="Bargain with it").click()
    section = page.get_by_role("region", name="Bargain with it")
    section.get_by_role("radio", name=side).check()
    section.get_by_role("button", name="Begin").click()
    return section


def tab_to(page: Any, kind: str) -> None:
    """Tab, past the details of offers, to the next control of a kind."""
    for _ in range(8):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.type") == kind:
            return
    raise AssertionError(f"no {kind} within reach")


def to_the_end(section: Any) -> None:
    """English-Speaking offers 1, Confucian rejects it and offers 3, which is accepted."""
    section.get_by_role("radio", name="1. Stay free").check()
    section.get_by_role("button", name="Make this offer").click()
    section.get_by_role("button", name="Accept").click()
    expect(section.get_by_role("heading", name="Agreed")).to_be_visible()


def test_a_play_from_offer_to_outcome(server: PolicyServer, visit: Visiting) -> None:
    page = visit(server.url).go("policy/duty-1")
    section = begin(page)
    expect(section.get_by_role("heading", name="Your turn: make an offer")).to_be_focused()
    expect(section.get_by_role("radio", name="2. Meet halfway")).to_be_checked()  # what it likes best
    expect(section.locator(".offer-title + .weight")).to_have_text(
        ["worth to you 0.50", "worth to you 1.00", "worth to you 0.80"]
    )
    section.get_by_role("radio", name="1. Stay free").check()
    section.get_by_role("button", name="Make this offer").click()
    talks = section.get_by_role("list", name="What was said").get_by_role("listitem")
    expect(talks).to_have_text(
        [
            "Turn 1. You offer: 1. Stay free",
            "Turn 1. Confucian rejects.",
            "Turn 2. Confucian offers: 3. Vote together",
        ]
    )
    expect(page.locator("#announcer")).to_have_text(
        "Confucian rejects. Confucian offers: 3. Vote together Your turn: answer the offer."
    )
    expect(section.get_by_text("Accepting gives you 0.72.")).to_be_visible()
    expect(section.locator(".clause.on")).to_contain_text("On the table")
    expect(section.get_by_role("button")).to_have_text(["Begin again", "Accept", "Reject"])
    section.get_by_role("button", name="Accept").click()
    expect(section.get_by_role("heading", name="Agreed")).to_be_focused()
    expect(section.locator(".outcome")).to_have_text(
        "All agreed on “Vote together” in turn 2. You get 0.72. Nash\u2019s solution would give you"
        " 0.80, Kalai and Smorodinsky\u2019s 0.86."
    )
    # Kalai and Smorodinsky: the line from (.3, .2) to (1, 1) meets the edge from (1, .5) to (.8, 1) at (.863, .843).
    expect(section.get_by_role("row")).to_have_text(
        [
            "PayoffsEnglish-Speaking (you)Confucian",
            "This play0.720.90",
            "Walking away at once0.300.20",
            "Nash0.801.00",
            "Kalai-Smorodinsky0.860.84",
        ]
    )
    picture = section.get_by_role("img", name="Payoffs of English-Speaking and Confucian")
    assert "this play: 0.72 and 0.90" in picture.get_attribute("aria-label")
    section.get_by_role("button", name="Begin again").click()
    expect(section.get_by_role("heading", name="Your turn: make an offer")).to_be_focused()
    expect(talks).to_have_count(0)


def test_the_other_side_begins_and_one_walks_away(server: PolicyServer, visit: Visiting) -> None:
    section = begin(visit(server.url).go("policy/duty-1"), "Confucian")
    expect(section.get_by_role("listitem").filter(has_text="Turn 1")).to_have_text(
        "Turn 1. English-Speaking offers: 2. Meet halfway"
    )
    section.get_by_role("button", name="Walk away").click()
    expect(section.get_by_role("heading", name="No agreement")).to_be_focused()
    expect(section.locator(".outcome")).to_contain_text("The talks ended without agreement. You get 0.20.")
    expect(section.get_by_text("You walk away.")).to_be_visible()


def test_a_policy_that_was_not_bargained_over_has_no_such_section(
    server: PolicyServer, visit: Visiting
) -> None:
    page = visit(server.url).go("policy/duty-2")
    expect(page.get_by_role("link", name="Ask this policy")).to_be_visible()
    assert page.get_by_text("Bargain with it").count() == 0


def test_a_play_by_keys_alone(server: PolicyServer, visit: Visiting) -> None:
    page = visit(server.url).go("policy/duty-1")
    page.get_by_role("button", name="Bargain with it").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#bargain-title")).to_be_focused()
    for key in ("Tab", "ArrowDown", "ArrowUp", "Tab", "Enter"):  # the sides, back to the first, Begin
        page.keyboard.press(key)
    expect(page.get_by_role("heading", name="Your turn: make an offer")).to_be_focused()
    tab_to(page, "radio")
    for key in ("ArrowUp", "Enter"):  # from the best offer to the one above it; Enter sends the form
        page.keyboard.press(key)
    expect(page.get_by_role("heading", name="Your turn: answer the offer")).to_be_focused()
    tab_to(page, "button")
    page.keyboard.press("Space")
    expect(page.get_by_role("heading", name="Agreed")).to_be_focused()


@pytest.mark.parametrize("status", [429, 503])
def test_trouble_is_told_beside_the_buttons(server: PolicyServer, visit: Visiting, status: int) -> None:
    page = visit(server.url, refusals=True).go("policy/duty-1")
    section = begin(page)
    offer = section.get_by_role("button", name="Make this offer")
    expect(offer).to_be_visible()  # the play has begun: the server has answered
    server.trouble = status
    offer.click()
    expect(section.get_by_role("alert")).to_contain_text("Try again in 7 seconds.")
    server.trouble = 0
    section.get_by_role("button", name="Make this offer").click()
    expect(section.get_by_role("heading", name="Agreed")).to_be_visible()
    expect(section.get_by_role("alert")).to_be_hidden()


@pytest.mark.parametrize("width", [360, 400, 1280])
def test_nothing_is_wider_than_the_window(server: PolicyServer, visit: Visiting, width: int) -> None:
    seen = visit(server.url, width=width)
    section = begin(seen.go("policy/duty-1"))
    assert seen.too_wide == 0
    to_the_end(section)
    seen.page.wait_for_timeout(150)
    assert (seen.too_wide, overlaps(seen.page, ".bargain svg")) == (0, [])


def test_texts_are_never_markup(visit: Visiting) -> None:
    with serving(PolicyServer(hostile=True)) as server:
        section = begin(visit(server.url).go("policy/duty-1"))
        expect(section.locator(".offer-title").first).to_contain_text("<script>window.hacked")
        section.get_by_role("button", name="Make this offer").click()
        expect(section.get_by_role("heading", name="Agreed")).to_be_visible()
        assert section.page.evaluate("window.hacked") is None


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(server: PolicyServer, visit: Visiting, scheme: str) -> None:
    rules = None if scheme == "light" else ["color-contrast"]
    seen = visit(server.url, scheme=scheme)
    section = begin(seen.go("policy/duty-1"))
    assert violations(seen, rules) == []
    to_the_end(section)
    assert violations(seen, rules) == []
