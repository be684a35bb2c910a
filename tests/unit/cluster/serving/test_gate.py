from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from cluster.serving.keys import make_key
from tests.unit.cluster.serving.standins import FakeServices

ASK = {"model": "base", "messages": [{"role": "user", "content": "Hello"}]}


@pytest.fixture
def keyed(serving: Callable[..., Any], tmp_path: Path) -> Iterator[tuple[TestClient, str]]:
    """A server with the keys of alice, with two requests a minute, and of bob."""
    key, line = make_key("alice")
    file = tmp_path / "keys.txt"
    file.write_text(f"# who may ask\n{line} 2\n{make_key('bob')[1]}\n")
    with serving(api_keys=file) as client:
        yield client, key


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def test_without_a_key_or_with_another_nobody_is_let_in(keyed: tuple[TestClient, str]) -> None:
    client, key = keyed
    for headers in (
        {},
        bearer("ck-wrong"),
        bearer(""),
        {"Authorization": key},
        {"Authorization": f"Basic {key}"},
    ):
        response = client.get("/v1/models", headers=headers)
        assert (response.status_code, response.json()["error"]["code"]) == (401, "invalid_api_key")
        assert response.headers["WWW-Authenticate"] == "Bearer"
    assert client.get("/v1/models", headers=bearer(key)).status_code == 200


def test_page_health_and_document_need_no_key(keyed: tuple[TestClient, str]) -> None:
    client, _ = keyed
    for path in ("/", "/healthz", "/readyz", "/openapi.json"):
        assert client.get(path).status_code == 200


def test_a_key_has_its_own_rate(keyed: tuple[TestClient, str]) -> None:
    client, key = keyed
    statuses = [client.get("/v1/cultures", headers=bearer(key)).status_code for _ in range(3)]
    assert statuses == [200, 200, 429]
    late = client.get("/v1/cultures", headers=bearer(key))
    assert late.json()["error"]["type"] == "rate_limit_error"
    assert 1 <= int(late.headers["Retry-After"]) <= 31


def test_a_body_that_is_too_large_is_refused_whatever_it_says_of_its_size(
    serving: Callable[..., Any],
) -> None:
    with serving(limits={"body_bytes": 2_000}) as client:
        large = b'{"model": "' + b"x" * 5_000 + b'"}'
        honest = client.post(
            "/v1/chat/completions", content=large, headers={"Content-Type": "application/json"}
        )
        assert (honest.status_code, honest.json()["error"]["code"]) == (413, "body_too_large")

        def parts() -> Iterator[bytes]:
            yield large[:1_000]
            yield large[1_000:]

        chunked = client.post(
            "/v1/chat/completions", content=parts(), headers={"Content-Type": "application/json"}
        )
        assert (chunked.status_code, chunked.json()["error"]["code"]) == (413, "body_too_large")
        assert client.post("/v1/chat/completions", json=ASK).status_code == 200


@pytest.mark.parametrize(
    ("content", "kind", "status"),
    [
        (b"{", "application/json", 400),
        (b"\xff\xfe", "application/json", 400),
        (b"[]", "application/json", 400),
        (b"", "application/json", 400),
        (b"NaN", "application/json", 400),
        (b"[" * 100_000, "application/json", 400),
        (b'{"model": "\\ud800", "messages": [{"role": "user", "content": "x"}]}', "application/json", 400),
        (b"model=base", "application/x-www-form-urlencoded", 400),
    ],
)
def test_hostile_bodies_are_refused_in_openais_form(
    client: TestClient, content: bytes, kind: str, status: int
) -> None:
    response = client.post("/v1/chat/completions", content=content, headers={"Content-Type": kind})
    assert response.status_code == status
    assert set(response.json()["error"]) == {"message", "type", "param", "code"}


def test_paths_and_methods_that_there_are_not_are_refused_in_openais_form(client: TestClient) -> None:
    missing = client.get("/v1/nothing")
    assert (missing.status_code, missing.json()["error"]["type"]) == (404, "invalid_request_error")
    wrong = client.put("/v1/models")
    assert wrong.status_code == 405
    assert wrong.headers["Allow"] == "GET"
    assert "PUT is not allowed" in wrong.json()["error"]["message"]


def test_above_its_bound_a_server_refuses_and_says_when_to_come_back(
    serving: Callable[..., Any], services: FakeServices
) -> None:
    services.delay_s = 1.0
    with serving(limits={"in_flight": 1}) as client:
        first: list[int] = []
        thread = threading.Thread(
            target=lambda: first.append(client.post("/v1/chat/completions", json=ASK).status_code)
        )
        thread.start()
        while not client.core.busy:  # type: ignore[attr-defined]
            pass
        second = client.post("/v1/chat/completions", json=ASK)
        assert (second.status_code, second.json()["error"]["code"]) == (503, "overloaded")
        assert second.headers["Retry-After"] == "2"
        assert client.get("/v1/models").status_code == 200
        thread.join()
        assert first == [200]
        assert client.core.busy == 0  # type: ignore[attr-defined]


def test_a_draining_server_takes_no_more_questions(client: TestClient) -> None:
    client.core.draining = True  # type: ignore[attr-defined]
    for path in ("/v1/chat/completions", "/v1/negotiate"):
        response = client.post(path, json=ASK)
        assert (response.status_code, response.json()["error"]["code"]) == (503, "draining")
        assert "Retry-After" in response.headers
    assert client.get("/v1/models").status_code == 200


def test_requests_have_ids_that_the_log_names(client: TestClient, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="cluster.serving.gate"):
        given = client.get("/v1/models", headers={"X-Request-ID": "mine-1"})
        made = client.get("/v1/models", headers={"X-Request-ID": "no good\x0b"})
    assert given.headers["X-Request-ID"] == "mine-1"
    assert len(made.headers["X-Request-ID"]) == 32
    assert any("request mine-1 key - GET" in line for line in caplog.messages)
    assert any(made.headers["X-Request-ID"] in line for line in caplog.messages)


def test_other_pages_are_not_let_in_unless_they_are_named(serving: Callable[..., Any]) -> None:
    origin = {"Origin": "http://a.example"}
    with serving() as client:
        assert "access-control-allow-origin" not in client.get("/v1/models", headers=origin).headers
    with serving(cors=("http://a.example",)) as client:
        allowed = client.get("/v1/models", headers=origin).headers
        assert allowed["access-control-allow-origin"] == "http://a.example"
        asked = {**origin, "Access-Control-Request-Method": "POST"}
        assert client.options("/v1/chat/completions", headers=asked).status_code == 200
        other = client.get("/v1/models", headers={"Origin": "http://b.example"}).headers
        assert "access-control-allow-origin" not in other


def test_names_that_are_bound_to_this_machine_are_not_answered(serving: Callable[..., Any]) -> None:
    with serving(hosts=("127.0.0.1", "[::1]")) as client:
        assert client.get("/v1/models", headers={"Host": "127.0.0.1:8000"}).status_code == 200
        assert client.get("/v1/models", headers={"Host": "[::1]:8000"}).status_code == 200
        for host in ("evil.example", "127.0.0.1.evil.example", ""):
            response = client.get("/v1/models", headers={"Host": host})
            assert (response.status_code, response.json()["error"]["code"]) == (421, "unknown_host")
