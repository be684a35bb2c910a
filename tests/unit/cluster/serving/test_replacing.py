"""Policies of both kinds are replaced while many clients ask: nobody is turned away, and nobody sees two versions at once."""

from __future__ import annotations

import random
import shutil
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx

from cluster.serving.config import ServeConfig
from cluster.serving.core import Core
from cluster.serving.http import make_app
from cluster.serving.keys import Doorkeeper
from tests.policy_server import listening
from tests.unit.cluster.serving.standins import (
    FakeServices,
    bargaining_policy,
    policy_tree,
    write_bargaining,
    write_policy,
)

CLIENTS, VERSIONS = 8, 16


def write_version(run: Path, version: int) -> None:
    """Both policies; every text of theirs begins with the version."""
    write_policy(run, policy_tree("voting-1", f"v{version} Should voting be a duty?"))
    policy = bargaining_policy("voting-1")
    for offer in policy.offers:
        offer["content"] = f"v{version} {offer['content']}"  # type: ignore[index]  # a dictionary of the stand-in
    write_bargaining(run, policy)


def replace(run: Path, version: int) -> None:
    """In place, or by other folders that come when the old ones are gone: as people and mounted volumes do."""
    if version % 2:
        write_version(run, version)
        return
    new = run / f"new-{version}"
    write_version(new, version)
    for folder in ("policies", "bargaining"):
        old = run / f"old-{folder}-{version}"
        (run / folder).rename(old)
        time.sleep(0.05)
        (new / folder).rename(run / folder)
        shutil.rmtree(old)


def versions(texts: list[str]) -> set[str]:
    return {text.split()[0] for text in texts if text.startswith("v")}


def ask_chat(client: httpx.Client) -> set[str]:
    question = [{"role": "user", "content": "Why?"}]
    reply = client.post("/v1/chat/completions", json={"model": "consensus/voting-1", "messages": question})
    assert reply.status_code == 200, reply.text
    assert reply.json()["concordat"]["policy"] == "voting-1"
    return set()


def ask_policy(client: httpx.Client) -> set[str]:
    reply = client.get("/v1/policies/voting-1")
    assert reply.status_code == 200, reply.text
    return versions([reply.json()["topic"]["text"]])


def ask_act(client: httpx.Client) -> set[str]:
    reply = client.post("/v1/policies/voting-1/act", json={"side": "english-speaking", "kind": 0})
    assert reply.status_code == 200, reply.text
    return versions([choice["says"] for choice in reply.json()["choices"]])


def play(client: httpx.Client) -> set[str]:
    """A play to its end, slowly: it keeps the policy that it began with."""
    reply = client.post("/v1/policies/voting-1/bargain", json={"side": "english-speaking"})
    texts: list[str] = []
    while True:
        assert reply.status_code == 200, reply.text
        view = reply.json()
        texts += [offer["content"] for offer in view["offers"]] + [move["says"] for move in view["said"]]
        if view["finished"]:
            return versions(texts)
        time.sleep(0.08)
        action = view["choices"][0]["action"]
        reply = client.post(f"/v1/bargain/{view['id']}", json={"action": action})


WAYS: tuple[Callable[[httpx.Client], set[str]], ...] = (ask_chat, ask_policy, ask_act, play)


def test_nobody_is_turned_away_while_policies_are_replaced(tmp_path: Path) -> None:
    write_version(tmp_path, 0)
    config = ServeConfig(run=tmp_path, reload_s=0.02)
    core = Core(config, FakeServices())
    stop, counts, seen = threading.Event(), dict.fromkeys(WAYS, 0), set[str]()

    def keep_asking(number: int) -> None:
        rng = random.Random(number)
        with httpx.Client(base_url=url, timeout=60.0) as client:
            while not stop.is_set():
                way = rng.choice(WAYS)
                found = way(client)
                assert len(found) <= 1, (way, found)
                seen.update(found)
                counts[way] += 1

    def last_is_served(client: httpx.Client) -> bool:
        wanted = {f"v{VERSIONS}"}
        return ask_policy(client) == wanted and ask_act(client) == wanted

    app: Any = make_app(config, lambda: core, lambda: Doorkeeper((), 600))
    with listening(app, lifespan="on") as url, ThreadPoolExecutor(CLIENTS) as threads:
        asking = [threads.submit(keep_asking, number) for number in range(CLIENTS)]
        try:
            for version in range(1, VERSIONS + 1):
                replace(tmp_path, version)
                time.sleep(0.05)
            deadline = time.monotonic() + 60
            with httpx.Client(base_url=url, timeout=60.0) as client:
                while not last_is_served(client):
                    assert time.monotonic() < deadline
                    time.sleep(0.05)
        finally:
            stop.set()
        for one in asking:
            one.result(60)
    assert all(count > 0 for count in counts.values()), counts
    assert len(seen) > 3  # versions between the first and the last were served too
