"""The page of the server: static files without a build step, and the headers under which they are served.

``index.html`` is served at ``/``, every other file at ``/page/NAME``; the page reaches the API under ``v1/`` of where it was
loaded. It holds no inline script or style, and loads nothing from other places.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from types import MappingProxyType

FOLDER = Path(__file__).parent

MEDIA_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}

HEADERS = MappingProxyType(
    {
        "Content-Security-Policy": (
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self';"
            " base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        ),
        "Cache-Control": "no-cache",  # asked again by ETag, so that a newer server's page is seen at once
        "Cross-Origin-Opener-Policy": "same-origin",
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
    }
)
"""What every file of the page is served with."""


@dataclass(frozen=True, slots=True)
class PageFile:
    """One file as it is served.

    Attributes:
        content: the bytes.
        media_type: for the header Content-Type.
        etag: quoted, changes with the content.
    """

    content: bytes
    media_type: str
    etag: str


@lru_cache(maxsize=1)
def page_files() -> Mapping[str, PageFile]:
    """The files by URL path: ``/`` is the page itself.

    >>> page_files()["/"].media_type, page_files()["/page/page.css"].media_type
    ('text/html; charset=utf-8', 'text/css; charset=utf-8')
    """
    found = {}
    for path in sorted(FOLDER.iterdir()):
        if path.suffix in MEDIA_TYPES:
            content = path.read_bytes()
            etag = f'"{sha256(content).hexdigest()[:20]}"'
            url = "/" if path.name == "index.html" else f"/page/{path.name}"
            found[url] = PageFile(content, MEDIA_TYPES[path.suffix], etag)
    return MappingProxyType(found)
