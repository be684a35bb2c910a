"""One real server for all tests here: the bundled model, Ray Serve, HTTP."""

from __future__ import annotations

import json
import re
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest

from tests.unit.cluster.serving.standins import (
    bargaining_policy,
    policy_tree,
    write_bargaining,
    write_policy,
)

DOCS = Path(__file__).parents[2] / "docs" / "serving.md"
TABLE = "consensus/english-speaking+confucian"
QUESTION = [{"role": "user", "content": "Should voting be a duty?"}]
NEGOTIATION = {
    "cultures": ["english-speaking", "confucian"],
    "topic": "Should voting be a duty?",
    "rounds": 1,
}

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")  # of Ray's own sockets at the end


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("run")
    write_policy(run, policy_tree("voting-1", "Should voting be a duty?"))
    write_policy(run, policy_tree("tax-1", "Should inheritance be taxed?"))
    write_bargaining(run, bargaining_policy("voting-1"))
    return run


@pytest.fixture(scope="module")
def url(run: Path, local_ray: None) -> Iterator[str]:
    """Address of the server."""
    from cluster.serving.command import LOOPBACK, Place
    from cluster.serving.config import LimitsConfig, ServeConfig
    from cluster.serving.running import running

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    config = ServeConfig(run=run, hosts=LOOPBACK, reload_s=0.2, limits=LimitsConfig(negotiations=1))
    with running(config, Place("127.0.0.1", port)):
        yield f"http://127.0.0.1:{port}"


@pytest.fixture
def client(url: str) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{url}/v1", api_key="none", timeout=60.0) as made:
        yield made


def events(response: httpx.Response) -> Iterator[tuple[str, Any]]:
    name = ""
    for line in response.iter_lines():
        if line.startswith("event: "):
            name = line.removeprefix("event: ")
        elif line.startswith("data: "):
            yield name, json.loads(line.removeprefix("data: "))


def test_the_official_client_lists_models(client: openai.OpenAI) -> None:
    ids = [model.id for model in client.models.list()]
    assert {TABLE, "consensus/voting-1", "culture/confucian", "base", "embedder"} <= set(ids)
    assert client.models.retrieve("consensus/voting-1").id == "consensus/voting-1"
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("none")


def test_the_official_client_chats_with_a_policy(client: openai.OpenAI) -> None:
    asked: dict[str, Any] = {"model": TABLE, "messages": QUESTION, "seed": 3, "max_tokens": 60}
    first, second = (client.chat.completions.create(**asked) for _ in range(2))
    assert first.choices[0].message.content
    assert first.choices[0].message.content == second.choices[0].message.content
    note = (first.model_extra or {})["concordat"]
    assert note["policy"] == "voting-1"
    assert note["guideline"]["weight"] == 1.0
    assert first.usage is not None
    assert first.usage.completion_tokens > 0


def test_the_official_client_streams(client: openai.OpenAI) -> None:
    asked: dict[str, Any] = {"model": "culture/confucian", "messages": QUESTION, "seed": 3, "max_tokens": 40}
    whole = client.chat.completions.create(**asked)
    pieces = list(client.chat.completions.create(**asked, stream=True))
    text = "".join(piece.choices[0].delta.content or "" for piece in pieces)
    assert text == whole.choices[0].message.content
    assert pieces[-1].choices[0].finish_reason in ("stop", "length")


def test_the_official_client_embeds(client: openai.OpenAI) -> None:
    reply = client.embeddings.create(
        model="embedder", input=["Voting is a duty.", "You must vote.", "I like tea."]
    )
    first, second, third = ([float(x) for x in row.embedding] for row in reply.data)
    assert len(first) == 384

    def likeness(a: list[float], b: list[float]) -> float:
        return sum(x * y for x, y in zip(a, b, strict=True))

    assert likeness(first, second) > likeness(first, third)


def test_the_official_client_completes(client: openai.OpenAI) -> None:
    reply = client.completions.create(model="base", prompt="Should voting be a duty?", max_tokens=8, seed=1)
    assert reply.choices[0].text
    assert reply.usage is not None
    assert reply.usage.completion_tokens <= 8


def test_replies_bear_one_id(url: str) -> None:
    given = httpx.get(f"{url}/v1/models", headers={"X-Request-ID": "mine-1"}, timeout=60.0)
    assert given.headers.get_list("X-Request-ID") == ["mine-1"]


def documented() -> list[str]:
    """The curl commands of the page on serving."""
    blocks = re.findall(r"```sh\n(.*?)```", DOCS.read_text(encoding="utf-8"), re.DOTALL)
    return [block for block in blocks if block.startswith("curl")]


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
@pytest.mark.parametrize("command", documented(), ids=lambda command: re.search(r"8000(\S+)", command)[1])  # type: ignore[index]
def test_the_documented_commands_do_what_they_say(url: str, command: str) -> None:
    command = command.replace("http://127.0.0.1:8000", url).replace("POLICY", "voting-1")
    if "PLAY" in command:
        asked = {"side": "english-speaking"}
        play = httpx.post(f"{url}/v1/policies/voting-1/bargain", json=asked, timeout=60.0).json()
        command = command.replace("PLAY", play["id"])
    done = subprocess.run(
        ["bash", "-c", command.replace("curl ", "curl --fail-with-body ", 1)],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    if "curl -sN" not in command:
        assert "error" not in json.loads(done.stdout)
    elif "negotiate" in command:
        assert done.stdout.startswith("event: started")
        assert "event: finished" in done.stdout
    else:
        assert done.stdout.endswith("data: [DONE]\n\n")


def test_a_negotiation_can_be_cancelled(url: str) -> None:
    with httpx.stream("POST", f"{url}/v1/negotiate", json=NEGOTIATION, timeout=60.0) as response:
        found = events(response)
        name, data = next(found)
        assert name == "started"
        second = httpx.post(f"{url}/v1/negotiate", json=NEGOTIATION, timeout=60.0)
        assert (second.status_code, second.json()["error"]["code"]) == (503, "overloaded")
        assert "Retry-After" in second.headers
        cancelled = httpx.delete(f"{url}/v1/negotiate/{data['negotiation_id']}", timeout=60.0)
        assert cancelled.json()["cancelled"] is True
        *_, (name, data) = found
        assert (name, data["error"]["code"]) == ("failed", "cancelled")


def test_a_client_that_leaves_makes_room(url: str) -> None:
    with httpx.stream("POST", f"{url}/v1/negotiate", json=NEGOTIATION, timeout=60.0) as response:
        assert next(events(response))[0] == "started"
    deadline = time.monotonic() + 60
    while True:
        with httpx.stream("POST", f"{url}/v1/negotiate", json=NEGOTIATION, timeout=60.0) as response:
            if response.status_code == 200:
                break
        assert time.monotonic() < deadline
        time.sleep(0.2)


def test_a_play_from_the_terminal_goes_to_its_end(
    url: str, concordat: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("builtins.input", lambda prompt: "2" if "offer (" in prompt else "a")
    done = concordat("play", "--server", url, "voting", "--json")
    assert done.status == 0
    assert (done.json["policy"], done.json["agreement"]) == ("voting-1", 1)
    assert [move["says"] for move in done.json["said"]] == ["Meet halfway", "accept"]
    assert done.json["payoffs"][1] == 0.5
    play = httpx.post(f"{url}/v1/policies/voting-1/bargain", json={"side": "confucian"}, timeout=60.0).json()
    wrong = httpx.post(f"{url}/v1/bargain/{play['id']}", json={"action": 0}, timeout=60.0)
    assert (wrong.status_code, wrong.json()["error"]["code"]) == (400, "illegal_action")
    lost = httpx.get(f"{url}/v1/bargain/play-none", timeout=60.0)
    assert (lost.status_code, lost.json()["error"]["code"]) == (404, "play_not_found")


def test_a_policy_is_replaced_without_a_lost_question(url: str, run: Path) -> None:
    chat = "/v1/chat/completions", {"model": "consensus/tax-1", "messages": QUESTION, "max_tokens": 8}
    act = "/v1/policies/voting-1/act", {"side": "english-speaking", "kind": 0}
    play = "/v1/policies/voting-1/bargain", {"side": "confucian"}
    statuses: list[tuple[str, int]] = []
    stop = threading.Event()

    def ask(path: str, body: dict[str, Any]) -> None:
        while not stop.is_set():
            statuses.append((path, httpx.post(f"{url}{path}", json=body, timeout=60.0).status_code))

    asking = [threading.Thread(target=ask, args=one) for one in (chat, chat, act, play)]
    for one in asking:
        one.start()
    try:
        (run / "policies").rename(run / "old")
        (run / "bargaining").rename(run / "old-bargaining")
        write_policy(run, policy_tree("tax-1", "Should gifts be taxed as well?"))
        write_policy(run, policy_tree("voting-1", "Should voting be a duty?"))
        other = bargaining_policy("voting-1")
        other.offers[0]["content"] = "Stay quite free"  # type: ignore[index]  # a dictionary of the stand-in
        write_bargaining(run, other)
        deadline = time.monotonic() + 60
        for path, word in (("/v1/policies/tax-1", "gifts"), ("/v1/policies/voting-1/bargaining", "quite")):
            while word not in httpx.get(f"{url}{path}", timeout=60.0).text:
                assert time.monotonic() < deadline
                time.sleep(0.1)
    finally:
        stop.set()
        for one in asking:
            one.join()
    assert {status for _, status in statuses} == {200}
    assert {path for path, _ in statuses} == {chat[0], act[0], play[0]}


def test_a_model_that_dies_costs_only_what_it_was_at_and_comes_back(url: str) -> None:
    import ray
    from ray.util import list_named_actors

    (name,) = [
        one["name"] for one in list_named_actors(all_namespaces=True) if "concordat#Model#" in one["name"]
    ]
    asked = {"model": "base", "messages": QUESTION, "max_tokens": 200, "seed": 1}
    replies: list[httpx.Response] = []
    asking = threading.Thread(
        target=lambda: replies.append(httpx.post(f"{url}/v1/chat/completions", json=asked, timeout=120.0))
    )
    asking.start()
    time.sleep(0.3)
    ray.kill(ray.get_actor(name, namespace="serve"))
    asking.join()
    (reply,) = replies
    if reply.status_code != 200:  # else it was quicker than the kill
        assert (reply.status_code, reply.json()["error"]["code"]) == (503, "replica_lost")
        assert int(reply.headers["Retry-After"]) >= 1
    with openai.OpenAI(base_url=f"{url}/v1", api_key="none", timeout=120.0, max_retries=10) as client:
        again = client.chat.completions.create(model="base", messages=QUESTION, max_tokens=8)  # type: ignore[arg-type]
    assert again.choices[0].message.content
