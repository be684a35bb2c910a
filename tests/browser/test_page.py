"""The page in a real Chromium, against a stand-in for the server whose replies are fixed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from tests.browser.conftest import Visit, Visiting, playwright
from tests.policy_server import QUESTION, PolicyServer, serving

expect = playwright.expect
VIEWS = ("negotiate", "ask", "policies", "policy/duty-1", "cultures")


Serving = Callable[..., PolicyServer]


@pytest.fixture
def serve() -> Iterator[Serving]:
    """Starts servers; pages are closed before these end, if a test asks for this first."""
    with ExitStack() as stack:
        yield lambda **settings: stack.enter_context(serving(PolicyServer(**settings)))


@pytest.fixture
def server(serve: Serving) -> PolicyServer:
    return serve()


def start(page: Any, question: str = QUESTION) -> Any:
    page.get_by_role("textbox", name="Question", exact=True).fill(question)
    page.get_by_role("button", name="Start the negotiation").click()
    return page.locator("#negotiation")


def ask(page: Any, question: str = "Should everyone have to vote?") -> Any:
    page.get_by_label("Your question").fill(question)
    page.get_by_role("button", name="Ask", exact=True).click()
    return page.locator(".answer").first


def converged(page: Any) -> Any:
    shown = start(page)
    expect(shown.locator(".outcome")).to_contain_text("Converged after 3 rounds")
    return shown


def test_a_negotiation_is_shown_to_its_end(server: PolicyServer, visit: Visiting) -> None:
    page = visit(server.url).go()
    page.get_by_role("checkbox", name="English-Speaking").uncheck()
    page.get_by_role("checkbox", name="Latin America").check()
    shown = converged(page)
    expect(shown.get_by_role("heading", level=3)).to_contain_text(
        ["Confucian", "Latin America", "What a new guideline would gain", "Values of the policy"]
    )
    confucian = shown.get_by_role("region", name="Confucian")
    expect(confucian.locator(".clause .weight")).to_have_text(["weight 24%", "weight 13%", "weight 63%"])
    expect(confucian.get_by_text("Consensus statement")).to_be_visible()
    expect(confucian.get_by_role("img", name="Now: A1 24%, A2 13%, A3 63%")).to_be_visible()
    steps = shown.get_by_role(
        "img", name="Gains by round. Round 3: Confucian 0.0000; Latin America no proposal."
    )
    expect(steps).to_be_visible()
    assert (
        steps.locator(".full .mark").count() == 3
    )  # what was added: two guidelines by one side, one by the other
    assert steps.locator(".hollow .mark").count() == 2


def test_what_is_focused_and_open_stays_so_while_rounds_come(serve: Serving, visit: Visiting) -> None:
    server = serve(held_after=1)
    page = visit(server.url).go()
    shown = start(page)
    first = shown.get_by_role("region", name="Confucian").locator(".clause").first
    first.locator("summary").click()
    expect(first.locator(".weight")).to_have_text("weight 100%")
    server.held_after = 2
    expect(first.locator(".weight")).to_have_text("weight 70%")
    assert page.evaluate("document.activeElement.textContent").startswith("first guideline")
    expect(first.locator("details")).to_have_attribute("open", "")
    server.held_after = 0
    expect(shown.locator(".outcome")).to_contain_text("Converged")
    assert page.evaluate("document.activeElement.textContent").startswith("first guideline")


@pytest.mark.parametrize("unnamed", [False, True], ids=["named", "not yet named"])
def test_cancelling_is_told_to_the_server(serve: Serving, visit: Visiting, unnamed: bool) -> None:
    server = serve(held_after=1, unnamed=unnamed)
    page = visit(server.url).go()
    shown = start(page)
    if not unnamed:
        expect(shown.get_by_text("After round 1")).to_be_visible()
    shown.get_by_role("button", name="Cancel").click()
    server.unnamed = False
    expect(shown.locator(".outcome")).to_have_text("Cancelled.")
    assert server.cancelled == ["n0"]
    expect(shown.get_by_role("button", name="Cancel")).to_be_hidden()
    assert page.evaluate("document.activeElement.id") == "negotiation-title"
    server.held_after = 0
    converged(page)  # the next one is not held up


def test_what_is_missing_is_said_beside_the_field(server: PolicyServer, visit: Visiting) -> None:
    page = visit(server.url).go()
    page.get_by_role("checkbox", name="Confucian").uncheck()
    page.get_by_role("button", name="Start the negotiation").click()
    expect(page.get_by_text("Choose at least two cultures.")).to_be_visible()
    expect(page.get_by_text("Write a question to negotiate.")).to_be_visible()
    page.get_by_role("checkbox", name="Confucian").check()
    page.get_by_text("More settings").click()
    page.get_by_label("Most rounds").fill("21")
    start(page)
    expect(page.get_by_text("Most rounds is a whole number from 1 to 20.")).to_be_visible()
    assert page.evaluate("document.activeElement.id") == "negotiate-rounds"
    assert server.left == 0


def test_policies_are_searched_opened_and_asked(server: PolicyServer, visit: Visiting) -> None:
    page = visit(server.url).go("policies")
    expect(page.locator(".row")).to_have_count(2)
    page.get_by_label("Search").fill("duty latin")
    expect(page.get_by_text("1 of 2")).to_be_visible()
    page.locator(".row:visible a").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(QUESTION)
    expect(page.get_by_role("img", name="Policy: highest")).to_be_visible()
    page.go_back()
    page.get_by_label("Search").fill("")
    page.locator(".row a").first.click()
    page.get_by_role("link", name="Ask this policy").click()
    expect(page.get_by_label("Who answers")).to_have_value("consensus/duty-1")
    expect(page.get_by_text("Agreed by English-Speaking and Confucian")).to_be_visible()
    table = page.locator("optgroup[label='English-Speaking and Confucian'] option")
    expect(table).to_have_text(["English-Speaking and Confucian: the nearest topic", QUESTION])


def test_an_unknown_policy_is_an_error_in_words(server: PolicyServer, visit: Visiting) -> None:
    page = visit(server.url, refusals=True).go("policy/none")
    expect(page.get_by_role("alert").filter(has_text="not served")).to_contain_text("'none'")


def test_a_policys_answer_stands_beside_the_base_answer(server: PolicyServer, visit: Visiting) -> None:
    page = visit(server.url).go("ask")
    answer = ask(page)
    expect(answer.locator(".facts")).to_contain_text("drawn with weight 63%")
    expect(answer.get_by_role("region", name="Base model").locator("del")).to_have_text(
        ["left to", "person.", "state."]
    )
    expect(answer.get_by_role("region", name="Policy").locator("ins")).to_have_text(
        ["made easy for", "person and expected of all.", "community."]
    )
    expect(answer.get_by_text("4 words left out (struck through), 9 put in (underlined).")).to_be_visible()
    answer.get_by_text("Numbers").click()
    expect(answer.get_by_role("row", name="Security", exact=False)).to_contain_text("0.67")
    assert server.asked[0]["model"] == "consensus/english-speaking+confucian"
    assert server.asked[0]["stream"] is True


def test_other_models_answer_alone(server: PolicyServer, visit: Visiting) -> None:
    page = visit(server.url).go("ask")
    page.get_by_label("Who answers").select_option("culture/confucian")
    answer = ask(page)
    expect(answer).to_contain_text("Fines seldom raise trust in a state.")
    assert answer.get_by_role("region", name="Base model").count() == 0


def test_an_answer_that_was_not_rewritten_says_why(serve: Serving, visit: Visiting) -> None:
    server = serve(fault="the rewriting repeated itself")
    answer = ask(visit(server.url).go("ask"))
    expect(
        answer.get_by_text("The base answer was not rewritten: the rewriting repeated itself")
    ).to_be_visible()
    assert answer.locator("ins, del").count() == 0


def test_an_answer_that_breaks_off_is_no_answer(serve: Serving, visit: Visiting) -> None:
    server = serve(breaks_off=True)
    page = visit(server.url).go("ask")
    ask(page)
    expect(page.locator("#ask-error")).to_contain_text("broke off")


def test_stopping_an_answer(serve: Serving, visit: Visiting) -> None:
    server = serve(pace_s=3.0)
    page = visit(server.url).go("ask")
    answer = ask(page)
    page.get_by_role("button", name="Stop").click()
    expect(answer.get_by_text("Stopped.")).to_be_visible()
    assert page.evaluate("document.activeElement.id") == "ask-send"


def test_everything_is_reached_by_keys_alone(server: PolicyServer, visit: Visiting) -> None:
    page = visit(server.url).go()

    def tab_to(script: str) -> None:
        for _ in range(60):
            page.keyboard.press("Tab")
            if page.evaluate(f"(() => {{ const it = document.activeElement; return {script}; }})()"):
                return
        raise AssertionError(f"not reached by Tab: {script}")

    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    tab_to("it.value === 'latin-america'")
    page.keyboard.press("Space")
    tab_to("it.id === 'negotiate-topic'")
    page.keyboard.type(QUESTION)
    tab_to("it.id === 'negotiate-start'")
    page.keyboard.press("Enter")
    expect(page.locator("#negotiation .outcome")).to_contain_text("Converged")
    assert page.evaluate("document.activeElement.id") == "negotiation-title"
    expect(page.locator("#negotiation section")).to_have_count(3)
    tab_to("it.tagName === 'SUMMARY' && it.textContent.startsWith('first guideline')")
    page.keyboard.press("Enter")
    expect(page.get_by_text("It keeps the choice of each person").first).to_be_visible()
    page.evaluate("document.querySelector('.wordmark a').focus()")
    tab_to("it.textContent === 'Ask'")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_be_focused()
    tab_to("it.id === 'ask-question'")
    page.keyboard.type("Why?")
    tab_to("it.id === 'ask-send'")
    page.keyboard.press("Enter")
    expect(page.locator(".answer .facts")).to_be_visible()
    assert page.evaluate("document.activeElement.id") == "ask-send"


def overlaps(page: Any, selector: str) -> list[str]:
    """Pairs of texts of figures that lie on each other."""
    found: list[str] = page.evaluate(
        """(selector) => [...document.querySelectorAll(selector)].flatMap((figure) => {
          const texts = [...figure.querySelectorAll('text')].map((it) => [it.textContent, it.getBoundingClientRect()]);
          return texts.flatMap(([a, p], k) => texts.slice(k + 1).flatMap(([b, q]) =>
            (Math.min(p.right, q.right) - Math.max(p.left, q.left) > 1
              && Math.min(p.bottom, q.bottom) - Math.max(p.top, q.top) > 3 ? [`${a} / ${b}`] : [])));
        })""",
        selector,
    )
    return found


@pytest.mark.parametrize("width", [360, 400, 1280])
def test_nothing_is_wider_than_the_window_and_no_names_touch(
    server: PolicyServer, visit: Visiting, width: int
) -> None:
    seen = visit(server.url, width=width)
    for view in VIEWS:
        page = seen.go(view)
        page.wait_for_timeout(150)  # figures are drawn when their width is known
        assert (view, seen.too_wide, overlaps(page, ".view:not([hidden]) svg")) == (view, 0, [])
    page = seen.go()
    converged(page)
    page.wait_for_timeout(150)
    assert (seen.too_wide, overlaps(page, "#negotiation svg")) == (0, [])
    page = seen.go("ask")
    expect(ask(page).locator(".facts")).to_be_visible()
    assert seen.too_wide == 0


def test_texts_are_never_markup(serve: Serving, visit: Visiting) -> None:
    server = serve(hostile=True)
    page = visit(server.url).go()
    expect(converged(page)).to_contain_text("<script>window.hacked")
    for view in VIEWS[2:]:
        page.goto(f"{server.url}/#/{view}")
    page.get_by_role("link", name="Ask", exact=True).click()
    expect(ask(page)).to_contain_text("<script>window.hacked")
    assert page.evaluate("window.hacked") is None
    assert page.locator("main img[src]").count() == 0


def test_the_key_is_asked_for_once(serve: Serving, visit: Visiting) -> None:
    server = serve(key="sesame")
    page = visit(server.url, refusals=True).page
    page.goto(server.url)
    page.get_by_label("API key").fill("wrong")
    page.get_by_role("button", name="Use this key").click()
    expect(page.get_by_text("The server did not take that key.")).to_be_visible()
    page.get_by_label("API key").fill("sesame")
    page.get_by_role("button", name="Use this key").click()
    expect(page.get_by_role("checkbox", name="Confucian")).to_be_visible()
    page.reload()
    converged(page)
    expect(page.get_by_label("API key")).to_be_hidden()


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (503, "The server is busy. Try again in 7 seconds."),
        (429, "Too many requests at once. Try again in 7 seconds."),
    ],
)
def test_a_busy_server_says_when_to_come_back(
    serve: Serving, visit: Visiting, status: int, words: str
) -> None:
    server = serve(trouble=status)
    page = visit(server.url, refusals=True).go()
    start(page)
    expect(page.locator("#negotiate-error")).to_have_text(words)
    page.get_by_role("link", name="Ask", exact=True).click()
    ask(page)
    expect(page.locator("#ask-error")).to_have_text(words)


def test_a_server_that_is_gone(visit: Visiting) -> None:
    with serving() as server:
        page = visit(server.url, refusals=True).go()
    start(page)
    expect(page.locator("#negotiate-error")).to_contain_text("The server does not answer.")


def violations(seen: Visit, rules: list[str] | None = None) -> list[str]:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is not installed")
    options = None if rules is None else {"runOnly": rules}
    found = axe.Axe().run(seen.page, options=options).response["violations"]
    return [f"{it['id']}: {node['target']}" for it in found for node in it["nodes"]]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(server: PolicyServer, visit: Visiting, scheme: str) -> None:
    """Roles, names, order of headings, contrast and more, by the rules of axe-core."""
    rules = None if scheme == "light" else ["color-contrast"]  # only colours differ
    seen = visit(server.url, scheme=scheme)
    converged(seen.go())
    assert violations(seen, rules) == []
    expect(ask(seen.go("ask")).locator(".facts")).to_be_visible()
    assert violations(seen, rules) == []
    for view in VIEWS[2:]:
        seen.go(view)
        assert (view, violations(seen, rules)) == (view, [])
