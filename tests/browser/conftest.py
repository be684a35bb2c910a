"""A real Chromium, and pages whose console and requests are watched."""

from __future__ import annotations

import io
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import pytest

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

Browser, Page = playwright.Browser, playwright.Page

PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
PATIENCE_MS = 60_000


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One for a module: while it is open, a loop of asyncio runs in this thread."""
    program = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, PROGRAMS)), None)
    if program is None:
        pytest.skip("no Chromium here; install one, or name its program in the environment variable CHROMIUM")
    with playwright.sync_playwright() as running:
        playwright.expect.set_options(timeout=PATIENCE_MS)
        # Where tests run as root, as in many containers, Chromium's own sandbox does not start.
        browser = running.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield browser
        browser.close()


@dataclass
class Visit:
    """A page with what it said and asked for.

    Attributes:
        page: as playwright has it.
        url: of the server, without a slash at the end.
        complaints: errors and warnings of the console, and exceptions.
        strangers: addresses of other servers that were asked for.
    """

    page: Page
    url: str
    complaints: list[str] = field(default_factory=list)
    strangers: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on(
            "console",
            lambda said: self.complaints.append(said.text) if said.type in ("error", "warning") else None,
        )
        self.page.on("request", lambda request: self._note(request.url))

    def _note(self, url: str) -> None:
        if urlsplit(url).netloc != urlsplit(self.url).netloc:
            self.strangers.append(url)

    def go(self, view: str = "") -> Page:
        """Open a view, e.g. ``ask``, and wait until the page is ready."""
        self.page.goto(f"{self.url}/{f'#/{view}' if view else ''}")
        self.page.wait_for_selector("html[data-ready]", state="attached")
        return self.page

    @property
    def too_wide(self) -> int:
        """Pixels by which the page is wider than the window."""
        return int(self.page.evaluate("document.documentElement.scrollWidth - innerWidth"))


Visiting = Callable[..., Visit]


@pytest.fixture
def visit(browser: Browser) -> Iterator[Visiting]:
    """Opens a new window on a server; at the end the console must be clean, and nobody else have been asked.

    ``refusals`` permits what the console says of replies that are no success.
    """
    opened: list[tuple[Visit, bool]] = []

    def open_(
        url: str, width: int = 1280, height: int = 900, scheme: str = "light", refusals: bool = False
    ) -> Visit:
        context = browser.new_context(
            viewport={"width": width, "height": height}, color_scheme=scheme, reduced_motion="reduce"
        )
        page = context.new_page()
        page.set_default_timeout(PATIENCE_MS)
        opened.append((Visit(page, url), refusals))
        return opened[-1][0]

    yield open_
    for seen, refusals in opened:
        seen.page.context.close()
        complaints = [
            text for text in seen.complaints if not (refusals and text.startswith("Failed to load"))
        ]
        assert complaints == []
        assert seen.strangers == []


MOST_BYTES = 250_000
"""Of a picture in the documentation."""


@pytest.fixture
def screenshot() -> Callable[..., None]:
    """Keeps a picture of the page in the folder that CONCORDAT_SCREENSHOTS names; without it, does nothing.

    ``part`` is a selector: the picture begins there. It ends after one or two screens.
    """
    folder = os.environ.get("CONCORDAT_SCREENSHOTS")

    def take(seen: Visit, name: str, part: str = "body") -> None:
        if not folder:
            return
        seen.page.evaluate("document.activeElement.blur()")
        seen.page.mouse.move(0, 0)
        seen.page.wait_for_timeout(300)  # figures are drawn when their width is known
        top, bottom = seen.page.evaluate(
            "(part) => [document.querySelector(part).getBoundingClientRect().top + scrollY, document.body.scrollHeight]",
            part,
        )
        width = seen.page.viewport_size["width"]
        tall = 2_400 if width < 600 else 2_000
        clip = {"x": 0, "y": top, "width": width, "height": min(tall, bottom - top)}
        _keep(Path(folder) / f"{name}.png", seen.page.screenshot(full_page=True, clip=clip))

    return take


def _keep(path: Path, picture: bytes) -> None:
    """A picture with a palette: a page has few colours, and the file is a third as large."""
    from PIL import Image

    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.open(io.BytesIO(picture)).convert("RGB")
    palette = image.quantize(256, Image.Quantize.MAXCOVERAGE, kmeans=2, dither=Image.Dither.NONE)
    palette.save(path, optimize=True)
    assert path.stat().st_size < MOST_BYTES, f"{path} has {path.stat().st_size:,} bytes"
