from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from fastapi.testclient import TestClient

from cluster.serving.examples import EXAMPLES, STREAMS
from cluster.serving.keys import make_key


def operations(tree: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {
        f"{method.upper()} {path}": operation
        for path, methods in tree["paths"].items()
        for method, operation in methods.items()
    }


def test_every_operation_has_examples_of_what_it_takes_and_gives(client: TestClient) -> None:
    tree = client.get("/openapi.json").json()
    found = operations(tree)
    assert set(EXAMPLES) | set(STREAMS) == set(found)
    play = client.post("/v1/policies/voting-1/bargain", json={"side": "english-speaking"}).json()["id"]
    for name, operation in found.items():
        for kind, content in operation["responses"]["200"]["content"].items():
            assert "example" in content, (name, kind)
        body = operation.get("requestBody")
        if body is not None:
            reference = body["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]
            (example,) = tree["components"]["schemas"][reference]["examples"]
            method, _, path = name.replace("{policy}", "voting-1").replace("{play}", play).partition(" ")
            assert client.request(method, path, json=example).status_code == 200, name


def test_errors_are_described_in_the_form_in_which_they_come(client: TestClient) -> None:
    tree = client.get("/openapi.json").json()
    assert "HTTPValidationError" not in str(tree)
    for name, operation in operations(tree).items():
        if " /v1/" in name:
            for status in ("400", "404", "413", "503", "504"):
                content = operation["responses"][status]["content"]["application/json"]
                assert content["schema"] == {"$ref": "#/components/schemas/ErrorReply"}
            assert "401" not in operation["responses"]


def test_keys_are_described_where_they_are_asked_for(serving: Callable[..., Any], tmp_path: Path) -> None:
    file = tmp_path / "keys.txt"
    file.write_text(make_key("alice")[1])
    with serving(api_keys=file) as client:
        found = operations(client.get("/openapi.json").json())
    assert found["GET /v1/models"]["security"] == [{"key": []}]
    assert {"401", "429"} <= set(found["GET /v1/models"]["responses"])
    assert found["GET /healthz"]["security"] == []
