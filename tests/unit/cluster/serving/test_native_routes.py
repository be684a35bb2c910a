from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from agents.values import SCHWARTZ_VALUES
from cluster.serving.page import page_files
from negotiation.errors import MalformedReplyError
from rewriter.injection import Failure
from rewriter.targets import Absolute
from rewriter.vocabulary import RewriteRequest, Shift
from tests.unit.cluster.serving.standins import ZERO, FakeServices, policy_tree, write_policy

NEGOTIATION = {"cultures": ["english-speaking", "Confucian"], "topic": "Should voting be a duty?"}


def events(text: str) -> list[tuple[str, Any]]:
    found = []
    for block in text.split("\n\n"):
        if block and not block.startswith(":"):
            name, data = block.split("\n")
            found.append((name.removeprefix("event: "), json.loads(data.removeprefix("data: "))))
    return found


def test_policies_are_listed_and_shown(client: TestClient) -> None:
    rows = client.get("/v1/policies").json()["data"]
    assert [row["id"] for row in rows] == ["cars-1", "tax-1", "voting-1"]
    shown = client.get("/v1/policies/tax-1").json()
    assert shown["topic"] == {"id": "tax-1", "text": "Should inheritance be taxed?", "category": "civic"}
    assert [entry["weight"] for entry in shown["sides"][0]["pool"]] == [1.0, 0.0]
    assert list(shown["values"]) == list(SCHWARTZ_VALUES)


@pytest.mark.parametrize("name", ["none", "..%2F..%2Fconfig.yaml", "tax-1.json", "%00", "a" * 200])
def test_names_that_are_no_policy_are_not_found(client: TestClient, run: Path, name: str) -> None:
    (run / "config.yaml").write_text("secret: 1")
    response = client.get(f"/v1/policies/{name}")
    assert response.status_code == 404
    assert "secret: 1" not in response.text


def test_cultures_have_values_and_a_place(client: TestClient) -> None:
    cultures = {one["id"]: one for one in client.get("/v1/cultures").json()["data"]}
    assert len(cultures) == 8
    west, east = cultures["protestant-europe"], cultures["confucian"]
    assert west["map"]["x"] > east["map"]["x"]
    assert set(west["values"]) == set(SCHWARTZ_VALUES)


def test_values_of_texts(client: TestClient) -> None:
    reply = client.post("/v1/values", json={"texts": ["One.", "Two."]}).json()
    assert [row["confidence"] for row in reply["data"]] == [0.75, 0.75]
    assert client.post("/v1/values", json={"texts": [" "]}).status_code == 400


def test_translation_of_words_a_culture_and_a_policy(client: TestClient) -> None:
    words = client.post("/v1/translate", json={"instruction": "more tradition"}).json()
    assert (words["kind"], words["explanation"]) == ("shift", ["read"])
    culture = client.post("/v1/translate", json={"culture": "confucian"}).json()
    assert culture["kind"] == "place"
    policy = client.post("/v1/translate", json={"policy": "tax-1"}).json()
    assert policy["shift"]["Self-Direction"] == 0.5
    none = client.post("/v1/translate", json={})
    assert none.status_code == 400
    assert "give exactly one of instruction, culture, policy" in none.json()["error"]["message"]
    assert client.post("/v1/translate", json={"policy": "none"}).status_code == 404
    assert client.post("/v1/translate", json={"culture": "atlantis"}).status_code == 400


def test_rewriting_goes_where_it_is_asked_to(client: TestClient, services: FakeServices) -> None:
    text = {"text": "All may vote."}
    reply = client.post(
        "/v1/rewrite", json=text | {"toward": "more tradition", "strength": 0.5, "seed": 9}
    ).json()
    assert reply["text"] == "All may vote. Indeed."
    assert services.jobs[-1].seed == 9
    assert services.jobs[-1].wanted == Shift((0.25,) * 10, ("read",))
    client.post("/v1/rewrite", json=text | {"policy": "tax-1"})
    wanted = services.jobs[-1].wanted
    assert isinstance(wanted, Absolute)
    assert wanted.values[0] == 0.5
    target = dict.fromkeys(SCHWARTZ_VALUES, 1.0)
    reply = client.post("/v1/rewrite", json=text | {"target": target}).json()
    assert reply["values_target"] == target
    assert client.post("/v1/rewrite", json=text | {"target": target | {"Power": 2}}).status_code == 400
    assert client.post("/v1/rewrite", json=text | {"target": {"Power": 1}}).status_code == 400


def test_a_text_that_cannot_be_rewritten_is_unprocessable(
    client: TestClient, services: FakeServices, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(job: Any) -> Failure:
        return Failure(RewriteRequest(job.text, ZERO, ZERO), MalformedReplyError("no"))

    monkeypatch.setattr(services, "rewrite", fail)
    response = client.post("/v1/rewrite", json={"text": "All may vote.", "culture": "confucian"})
    assert (response.status_code, response.json()["error"]["code"]) == (422, "no_usable_reply")


def test_a_negotiation_is_followed_as_events(client: TestClient, services: FakeServices) -> None:
    response = client.post("/v1/negotiate", json=NEGOTIATION)
    assert response.headers["content-type"].startswith("text/event-stream")
    found = events(response.text)
    assert [name for name, _ in found] == ["started", "round", "finished"]
    assert found[0][1]["cultures"] == ["english-speaking", "confucian"]
    assert found[0][1]["negotiation_id"].startswith("live-")
    assert services.left.is_set()


def test_a_negotiation_that_fails_says_so_in_its_last_event(
    client: TestClient, services: FakeServices
) -> None:
    services.error = KeyError("/secret")
    name, data = events(client.post("/v1/negotiate", json=NEGOTIATION).text)[-1]
    assert (name, data["error"]["code"]) == ("failed", "internal")
    assert "secret" not in data["error"]["message"]


@pytest.mark.parametrize(
    "body",
    [
        {"cultures": ["confucian"]},
        {"cultures": ["confucian", "Confucian"]},
        {"cultures": ["confucian", "atlantis"]},
        {"topic": " "},
        {"rounds": 0},
        {"method": "debate"},
    ],
)
def test_wrong_negotiations_are_refused(client: TestClient, body: dict[str, Any]) -> None:
    assert client.post("/v1/negotiate", json=NEGOTIATION | body).status_code == 400


def test_cancelling(client: TestClient, services: FakeServices) -> None:
    assert client.delete("/v1/negotiate/live-known").json() == {
        "negotiation_id": "live-known",
        "cancelled": True,
    }
    assert client.delete("/v1/negotiate/live-other").status_code == 404
    assert services.cancelled == ["live-known", "live-other"]


def test_health_and_readiness(client: TestClient, services: FakeServices) -> None:
    assert client.get("/healthz").json()["status"] == "ok"
    assert client.get("/readyz").json() == {"status": "ok", "detail": "3 policies"}
    services.error = KeyError("x")
    starting = client.get("/readyz")
    assert (starting.status_code, starting.json()["status"]) == (503, "starting")
    client.core.draining = True  # type: ignore[attr-defined]
    assert client.get("/readyz").json()["status"] == "draining"
    assert client.get("/healthz").status_code == 200


def test_the_page_is_served_with_its_headers_and_from_the_cache(client: TestClient) -> None:
    for path, file in page_files().items():
        response = client.get(path)
        assert response.content == file.content
        assert "default-src 'none'" in response.headers["Content-Security-Policy"]
        again = client.get(path, headers={"If-None-Match": response.headers["ETag"]})
        assert (again.status_code, again.content) == (304, b"")
    assert client.get("/page/../config.py").status_code == 404


def test_without_the_page_there_is_none(serving: Callable[..., Any]) -> None:
    with serving(page=False) as client:
        assert client.get("/").status_code == 404
        assert client.get("/v1/models").status_code == 200


def test_a_policy_that_is_written_while_serving_is_served(
    serving: Callable[..., Any], run: Path, services: FakeServices
) -> None:
    import time

    with serving(reload_s=0.05) as client:
        assert client.get("/v1/policies/new-1").status_code == 404
        write_policy(run, policy_tree("new-1", "Is this new?"))
        deadline = time.monotonic() + 20
        while client.get("/v1/policies/new-1").status_code != 200:
            assert time.monotonic() < deadline
            time.sleep(0.05)
