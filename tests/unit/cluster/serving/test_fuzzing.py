"""Requests made from the OpenAPI document, and bodies of any bytes, against the routes over stand-ins: none may end in a 5xx.

``CONCORDAT_FUZZ`` sets how many requests each of the cases gets; 100 make more than 3,000 in all. The count by status is printed
at the end (``pytest -s``).
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import schemathesis
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from cluster.serving.examples import EXAMPLES, STREAMS

COUNT = int(os.environ.get("CONCORDAT_FUZZ", "3"))
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]

FEW = settings(
    max_examples=COUNT,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)

OPERATIONS = sorted({*EXAMPLES, *STREAMS})
POSTS = [name for name in OPERATIONS if name.startswith("POST")]
RIGHT, WRONG = GenerationMode.POSITIVE, GenerationMode.NEGATIVE
CASES = [(name, RIGHT) for name in OPERATIONS]
CASES += [(name, WRONG) for name in POSTS]  # in the others little can be wrong

KNOWN = {"policy": "voting-1", "model": "consensus/voting-1", "negotiation_id": "live-known"}
"""Names in paths of which there is something, so that not every request ends there."""


@pytest.fixture(scope="module")
def made() -> Iterator[Counter[int]]:
    """Requests by the status in which they ended."""
    counts: Counter[int] = Counter()
    yield counts
    print(f"\n{sum(counts.values()):,} requests:", ", ".join(f"{n} x {k}" for k, n in sorted(counts.items())))


def known(case: Any, play: str) -> None:
    """Put in names of what there is, and a side and type that are at the table."""
    for name in case.path_parameters or {}:
        case.path_parameters[name] = play if name == "play" else KNOWN.get(name, "none")
    body = case.body
    if isinstance(body, dict):
        if isinstance(body.get("side"), str):
            body["side"] = "english-speaking"
        if isinstance(body.get("kind"), int):
            body["kind"] %= 2
        if isinstance(body.get("model"), str):
            body["model"] = "base"
        for field in ("said", "action"):
            if isinstance(body.get(field), int):
                body[field] %= 6
            elif isinstance(body.get(field), list):
                body[field] = [one % 6 if isinstance(one, int) else one for one in body[field][:3]]


def new_play(client: TestClient) -> str:
    found: str = client.post("/v1/policies/voting-1/bargain", json={"side": "english-speaking"}).json()["id"]
    return found


@pytest.mark.parametrize(
    ("name", "mode"), CASES, ids=[f"{name}-{'right' if mode is RIGHT else 'wrong'}" for name, mode in CASES]
)
def test_requests_of_any_kind_are_answered_as_described(
    serving: Callable[..., Any], made: Counter[int], name: str, mode: GenerationMode
) -> None:
    method, _, path = name.partition(" ")
    with serving() as client:
        document = schemathesis.openapi.from_asgi("/openapi.json", client.app)
        operation = document[path][method]

        @given(case=operation.as_strategy(generation_mode=mode), of_known=st.booleans())
        @FEW
        def check(case: Any, of_known: bool) -> None:
            if of_known:
                known(case, new_play(client) if "{play}" in path else "none")
            response = case.call()
            made[response.status_code] += 1
            case.validate_response(response, checks=CHECKS)

        check()


def clear(response: Any) -> None:
    """A refusal in words, in OpenAI's form, that shows nothing of the server."""
    assert 400 <= response.status_code < 500, response.text
    error = response.json()["error"]
    assert error["message"]
    assert "Traceback" not in response.text


SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
TREES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
BYTES = st.binary(max_size=200) | TREES.map(lambda tree: json.dumps(tree).encode())


@pytest.mark.parametrize("name", POSTS)
def test_bodies_of_any_bytes_are_refused(serving: Callable[..., Any], made: Counter[int], name: str) -> None:
    path = name.partition(" ")[2].replace("{policy}", "voting-1")
    with serving() as client:
        path = path.replace("{play}", new_play(client))

        @given(
            body=BYTES, kind=st.sampled_from(["application/json", "text/plain", "image/png", "a/b; c=\x01"])
        )
        @FEW
        def check(body: bytes, kind: str) -> None:
            response = client.post(path, content=body, headers={"Content-Type": kind})
            made[response.status_code] += 1
            clear(response)

        check()


HOSTILE = {
    "deep": b"[" * 200_000,
    "deep objects": b'{"a":' * 100_000,
    "large number": b'{"seed": 1' + b"0" * 5000 + b"}",
    "large exponent": b'{"kind": 1e999, "side": "confucian"}',
    "not a number": b'{"kind": NaN}',
    "lone surrogate": b'{"side": "\\ud800", "kind": 0}',
    "no UTF-8": b'{"side": "\xff\xfe"}',
    "nothing": b"",
    "twice": b'{"side": "confucian", "side": 1}',
    "large": b'{"side": "' + b"a" * 999_000 + b'"}',
    "too large": b'{"side": "' + b"a" * 1_100_000 + b'"}',
    "many": b'{"said": [' + b"0," * 400_000 + b'0], "side": "confucian", "kind": 0}',
    "prototype": b'{"__proto__": {"admin": true}, "constructor": 1}',
}


@pytest.mark.parametrize("name", POSTS)
def test_hostile_bodies_are_refused_in_words(
    serving: Callable[..., Any], made: Counter[int], name: str
) -> None:
    path = name.partition(" ")[2].replace("{policy}", "voting-1")
    with serving() as client:
        path = path.replace("{play}", new_play(client))
        for what, body in HOSTILE.items():
            response = client.post(path, content=body, headers={"Content-Type": "application/json"})
            made[response.status_code] += 1
            clear(response)
            assert len(response.content) < 2_000, what
            assert (response.status_code == 413) == (what == "too large"), what


@pytest.mark.parametrize(
    "path",
    [
        "/v1/policies/{}", "/v1/policies/{}/bargaining", "/v1/policies/{}/act", "/v1/policies/{}/bargain",
        "/v1/bargain/{}", "/v1/models/{}", "/v1/negotiate/{}",
    ],
)  # fmt: skip
def test_hostile_names_lead_nowhere(serving: Callable[..., Any], made: Counter[int], path: str) -> None:
    names = [
        "..", "%2e%2e", "..%2f..%2fconfig.yaml", "..%5c..%5cconfig", "%00", "voting-1%00.json", "voting-1.json", "a" * 5_000,
        "%ff%fe", "%F0%9F%A6%86", "voting-1;x=1", "voting-1%2f", "file:%2f%2f%2fetc%2fpasswd", "-", "%20", "{policy}",
    ]  # fmt: skip
    with serving() as client:
        for name in names:
            for method in ("GET", "POST", "DELETE", "PUT", "PATCH", "HEAD", "OPTIONS"):
                response = client.request(method, path.format(name), json={} if method == "POST" else None)
                made[response.status_code] += 1
                assert 400 <= response.status_code < 500, (method, name, response.text)
