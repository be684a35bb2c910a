from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient

from agents.values import SCHWARTZ_VALUES
from negotiation.errors import MalformedReplyError, ModelError, ModelServerError
from rewriter.injection import Failure
from rewriter.vocabulary import RewriteRequest
from tests.unit.cluster.serving.standins import ZERO, FakeServices

TABLE = "consensus/english-speaking+confucian"


def ask(client: TestClient, model: str = TABLE, text: str = "Should voting be a duty?", **more: Any) -> Any:
    return client.post(
        "/v1/chat/completions", json={"model": model, "messages": [{"role": "user", "content": text}], **more}
    )


def chunks(text: str) -> list[dict[str, Any]]:
    lines = [line.removeprefix("data: ") for line in text.split("\n\n") if line]
    assert lines[-1] == "[DONE]"
    return [json.loads(line) for line in lines[:-1]]


def test_models_are_tables_policies_cultures_base_and_embedder(client: TestClient) -> None:
    cards = client.get("/v1/models").json()["data"]
    kinds = {card["id"]: card["concordat"]["kind"] for card in cards}
    assert kinds[TABLE] == kinds["consensus/confucian+latin-america"] == "alias"
    assert kinds["consensus/voting-1"] == "policy"
    assert kinds["culture/confucian"] == "culture"
    assert kinds["base"] == "base"
    assert kinds["embedder"] == "embedder"
    assert len(cards) == 2 + 3 + 8 + 2


def test_a_model_is_looked_up_by_an_id_with_a_slash(client: TestClient) -> None:
    card = client.get("/v1/models/consensus/voting-1").json()
    assert card["concordat"] == {"kind": "policy", "name": "Should voting be a duty?"}
    turned = client.get("/v1/models/consensus/confucian+english-speaking").json()
    assert turned["concordat"]["name"] == "Confucian and English-Speaking"
    assert client.get("/v1/models/consensus/none").status_code == 404


def test_a_policy_says_how_it_came_to_its_answer(client: TestClient, services: FakeServices) -> None:
    reply = ask(client, seed=3).json()
    assert reply["choices"][0]["message"]["content"] == "All may vote. Indeed."
    assert reply["usage"] == {"prompt_tokens": 7, "completion_tokens": 4, "total_tokens": 11}
    note = reply["concordat"]
    assert note["policy"] == "voting-1"
    assert note["base"] == "All may vote."
    assert note["guideline"]["weight"] == 1.0
    assert note["guideline"]["content"] == f"Rule of {note['guideline']['culture']}"
    assert note["values_before"] == dict.fromkeys(SCHWARTZ_VALUES, 0.0)
    assert note["values_target"]["Self-Direction"] == note["values_after"]["Self-Direction"] == 0.5
    assert note["consistency"] == {"forward": 0.9, "backward": 0.8}
    assert note["fault"] is None
    shown = services.asked[-1].messages[-1].content
    assert {"Rule of english-speaking", "Rule of confucian"} <= set(re.findall(r"Rule of [a-z-]+", shown))
    assert f"{note['guideline']['culture']} opens." in shown  # the side that holds it states the consensus
    assert "Should voting be a duty?" in shown


def test_the_policy_of_a_table_is_that_of_the_nearest_topic(client: TestClient) -> None:
    assert ask(client, text="What of tax?").json()["concordat"]["policy"] == "tax-1"
    assert ask(client, text="May I vote?").json()["concordat"]["policy"] == "voting-1"


def test_the_seed_decides_what_is_drawn_and_guidelines_without_weight_never_are(client: TestClient) -> None:
    drawn = [ask(client, seed=seed).json()["concordat"]["guideline"]["id"] for seed in range(12)]
    again = [ask(client, seed=seed).json()["concordat"]["guideline"]["id"] for seed in range(12)]
    assert drawn == again
    assert set(drawn) == {"p0-r0-initial", "p1-r0-initial"}


def test_a_policys_values_are_read_once(client: TestClient, services: FakeServices) -> None:
    for _ in range(3):
        ask(client, model="consensus/voting-1")
    assert services.policies_read == 1


def test_an_answer_that_cannot_be_rewritten_is_the_base_answer_with_a_fault(
    client: TestClient, services: FakeServices, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(job: Any) -> Failure:
        return Failure(RewriteRequest(job.text, ZERO, ZERO), MalformedReplyError("no"))

    monkeypatch.setattr(services, "rewrite", fail)
    reply = ask(client).json()
    assert reply["choices"][0]["message"]["content"] == "All may vote."
    assert reply["concordat"]["values_after"] is None
    assert reply["concordat"]["fault"] == "the rewriter wrote nothing usable"
    services.reply = "  "
    assert ask(client).json()["concordat"]["fault"] == "the base model wrote nothing"


def test_a_culture_speaks_with_its_adapter_and_the_base_without_any(
    client: TestClient, services: FakeServices
) -> None:
    assert ask(client, model="culture/confucian").json()["concordat"] is None
    assert services.asked[-1].adapter == "confucian"
    ask(client, model="base", text="Hello")
    assert services.asked[-1].adapter is None
    assert [(m.role, m.content) for m in services.asked[-1].messages] == [("user", "Hello")]


def test_a_stream_is_the_answer_in_pieces_with_the_note_on_the_last(client: TestClient) -> None:
    response = ask(client, stream=True)
    assert response.headers["content-type"].startswith("text/event-stream")
    found = chunks(response.text)
    text = "".join(chunk["choices"][0]["delta"].get("content", "") for chunk in found)
    assert text == "All may vote. Indeed."
    assert found[-1]["choices"][0]["finish_reason"] == "stop"
    assert found[-1]["concordat"]["policy"] == "voting-1"
    assert not any("concordat" in chunk for chunk in found[:-1])
    counted = chunks(ask(client, stream=True, stream_options={"include_usage": True}).text)
    assert counted[-1]["choices"] == []
    assert counted[-1]["usage"]["total_tokens"] == 11
    assert counted[-1]["concordat"]["policy"] == "voting-1"


def test_an_answer_ends_before_a_stop(client: TestClient) -> None:
    reply = ask(client, model="base", stop=["vote"]).json()
    assert reply["choices"][0]["message"]["content"] == "All may "
    assert reply["choices"][0]["finish_reason"] == "stop"


def test_a_completion_is_what_a_user_says(client: TestClient, services: FakeServices) -> None:
    reply = client.post("/v1/completions", json={"model": "base", "prompt": "Hello", "max_tokens": 5}).json()
    assert reply["object"] == "text_completion"
    assert reply["choices"][0]["text"] == "All may vote."
    assert services.asked[-1].max_new_tokens == 5
    streamed = client.post("/v1/completions", json={"model": TABLE, "prompt": ["Hello"], "stream": True})
    found = chunks(streamed.text)
    assert "".join(chunk["choices"][0]["text"] for chunk in found) == "All may vote. Indeed."
    assert found[-1]["concordat"]["base"] == "All may vote."


def test_embeddings_as_numbers_and_as_base64_are_the_same(client: TestClient) -> None:
    asked = {"model": "embedder", "input": ["tax", "vote"]}
    plain = client.post("/v1/embeddings", json=asked).json()
    packed = client.post("/v1/embeddings", json=asked | {"encoding_format": "base64"}).json()
    assert [row["index"] for row in plain["data"]] == [0, 1]
    assert plain["usage"]["prompt_tokens"] == 6
    for row, other in zip(plain["data"], packed["data"], strict=True):
        bytes_ = base64.b64decode(other["embedding"])
        np.testing.assert_allclose(np.frombuffer(bytes_, "<f4"), row["embedding"], atol=1e-6)


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"messages": []}, "messages"),
        ({"messages": [{"role": "assistant", "content": "No."}]}, "messages"),
        ({"messages": [{"role": "user", "content": "  "}]}, "messages"),
        ({"n": 2}, "n"),
        ({"tools": [{"type": "function"}]}, "tools"),
        ({"temperature": 3}, "temperature"),
        ({"max_tokens": 100_000}, "max_tokens"),
        ({"nonsense": 1}, "nonsense"),
    ],
)
def test_wrong_requests_name_the_field(client: TestClient, body: dict[str, Any], param: str) -> None:
    good = {"model": "base", "messages": [{"role": "user", "content": "Hello"}]}
    response = client.post("/v1/chat/completions", json=good | body)
    assert response.status_code == 400
    assert response.json()["error"]["param"].startswith(param)
    assert response.json()["error"]["type"] == "invalid_request_error"


@pytest.mark.parametrize(
    "model",
    [
        "none",
        "consensus/",
        "consensus/../../etc/passwd",
        "culture/Confucian",
        "culture/",
        "consensus/confucian",
    ],
)
def test_unknown_models_are_not_found(client: TestClient, model: str) -> None:
    response = ask(client, model=model)
    assert response.status_code == 404
    assert response.json()["error"]["code"] == "model_not_found"


def test_models_that_do_something_else_say_so(client: TestClient) -> None:
    assert ask(client, model="embedder").json()["error"]["code"] == "wrong_model"
    response = client.post("/v1/embeddings", json={"model": "base", "input": "x"})
    assert (response.status_code, response.json()["error"]["code"]) == (400, "wrong_model")


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (
            ModelError("do not fit into the context window of 9 tokens of model '/secret'"),
            400,
            "context_length_exceeded",
        ),
        (ModelError("adapter '/secret'"), 500, "model_error"),
        (ModelServerError("no route to /secret"), 503, "model_unreachable"),
        (MalformedReplyError("garbage"), 422, "no_usable_reply"),
        (KeyError("/secret"), 500, "internal"),
        (TimeoutError(), 504, "timeout"),
    ],
)
def test_errors_of_the_models_have_a_status_and_tell_nothing_of_the_inside(
    client: TestClient, services: FakeServices, error: Exception, status: int, code: str
) -> None:
    services.error = error
    response = ask(client, model="base")
    assert (response.status_code, response.json()["error"]["code"]) == (status, code)
    assert "secret" not in response.text
    assert "Traceback" not in response.text
    if status == 503:
        assert int(response.headers["Retry-After"]) >= 1


def test_an_answer_that_takes_too_long_is_given_up(
    serving: Callable[..., Any], services: FakeServices
) -> None:
    services.delay_s = 5.0
    with serving(limits={"timeout_s": 0.05}) as client:
        assert ask(client, model="base").status_code == 504


def test_in_the_style_of_dialogue_all_messages_are_seen(
    serving: Callable[..., Any], services: FakeServices
) -> None:
    said = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Hello"},
        {"role": "assistant", "content": "Hello."},
        {"role": "user", "content": [{"type": "text", "text": "And tax?"}]},
    ]
    with serving(style="dialogue") as client:
        client.post("/v1/chat/completions", json={"model": "consensus/tax-1", "messages": said})
    system, *rest = services.asked[-1].messages
    assert "Should inheritance be taxed?" in system.content
    assert "Rule of " in system.content
    assert system.content.endswith("Be brief.")
    assert [message.content for message in rest] == ["Hello", "Hello.", "And tax?"]
