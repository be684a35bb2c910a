from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from agents.bundled import bundled_adapters
from agents.models.config import BundledConfig, OpenAIConfig, TransformersConfig
from agents.models.protocol import Generation, GenerationRequest, Message
from cluster.rewriting.rewrite_parts import PartsConfig
from cluster.serving import hosts
from cluster.serving.config import ServeConfig
from cluster.serving.hosts import Loadable, ModelHost, loadable
from negotiation.errors import ModelError, ModelServerError


def request(text: str, adapter: str | None = None) -> GenerationRequest:
    return GenerationRequest((Message("user", text),), 4, 0.0, 1.0, 0, adapter)


class FakeModel:
    """Repeats what it is asked; refuses what is too long, and fails where it is told to."""

    name = "fake"

    def __init__(self) -> None:
        self.adapters: tuple[str, ...] = ("rewriter",)
        self.calls: list[int] = []

    def add_adapter(self, name: str, path: str) -> None:
        assert name not in self.adapters
        self.adapters += (name,)

    def remove_adapter(self, name: str) -> None:
        self.adapters = tuple(one for one in self.adapters if one != name)

    def generate(self, requests: Sequence[GenerationRequest]) -> list[Generation]:
        self.calls.append(len(requests))
        texts = [one.messages[-1].content for one in requests]
        for one in requests:
            if one.adapter is not None and one.adapter not in self.adapters:
                raise ModelError(f"adapter {one.adapter!r} is not loaded")
        if "long" in texts:
            raise ModelError("do not fit into the context window")
        if "down" in texts:
            raise ModelServerError("down")
        return [Generation(text, 1, 1, "stop", 0.0) for text in texts]


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> ModelHost:
    monkeypatch.setattr(hosts, "load_model", lambda config: FakeModel())
    return ModelHost(Loadable(BundledConfig(), {"confucian": "/somewhere"}, "rewriter"))


def texts(outcome: Any) -> list[str]:
    return [reply.text for reply in outcome]


def test_groups_share_one_batch_and_get_their_own_replies(host: ModelHost) -> None:
    found = host.generate([[request("a"), request("b")], [request("c", "rewriter")]])
    assert [texts(outcome) for outcome in found] == [["a", "b"], ["c"]]
    assert host.model.calls == [3]  # type: ignore[attr-defined]


def test_what_one_caller_causes_reaches_only_that_one(host: ModelHost) -> None:
    found = host.generate([[request("a")], [request("long")], [request("c")]])
    assert texts(found[0]) == ["a"]
    assert isinstance(found[1], ModelError)
    assert texts(found[2]) == ["c"]


def test_a_server_that_is_down_is_down_for_everybody(host: ModelHost) -> None:
    assert all(
        isinstance(one, ModelServerError) for one in host.generate([[request("a")], [request("down")]])
    )


def test_adapters_come_from_the_shelf_when_they_are_needed_and_may_go(host: ModelHost) -> None:
    assert texts(host.generate([[request("a", "confucian")]])[0]) == ["a"]
    assert host.model.adapters == ("rewriter", "confucian")  # type: ignore[attr-defined]
    host.add("confucian")
    host.remove("confucian")
    host.remove("confucian")
    assert host.model.adapters == ("rewriter",)  # type: ignore[attr-defined]
    assert texts(host.generate([[request("a", "confucian")]])[0]) == ["a"]
    assert isinstance(host.generate([[request("a", "unknown")]])[0], ModelError)


def test_the_bundled_model_carries_the_rewriter_and_has_its_cultures_on_the_shelf() -> None:
    base, other = loadable(ServeConfig(run="."))
    assert other is None
    assert base.rewriter == "rewriter"
    assert isinstance(base.config, TransformersConfig)
    assert list(base.config.adapters) == ["rewriter"]
    assert tuple(sorted(base.shelf)) == bundled_adapters()


def test_another_model_rewrites_by_itself_unless_another_is_named() -> None:
    base, other = loadable(ServeConfig(run=".", model="some/model"))
    assert (other, base.rewriter, dict(base.shelf)) == (None, None, {})
    base, other = loadable(ServeConfig(run=".", model="some/model", rewriter=PartsConfig()))
    assert base.rewriter is None
    assert other is not None
    assert other.rewriter == "rewriter"


def test_a_model_behind_a_server_has_its_adapters_from_the_start() -> None:
    model = OpenAIConfig(model="m", base_url="http://127.0.0.1:1/v1", adapters={"confucian": "m-confucian"})
    base, _ = loadable(ServeConfig(run=".", model=model))
    assert base.config.adapters == {"confucian": "m-confucian"}
    assert not base.shelf


def test_the_reader_of_values_rewrites_a_batch_with_seeds_of_its_own() -> None:
    from cluster.serving.hosts import ReadingHost
    from cluster.serving.services import RewriteJob
    from rewriter.injection import Failure
    from rewriter.targets import Absolute
    from rewriter.vocabulary import Rewriting

    class Seeds(FakeModel):
        seeds: list[int] = []  # noqa: RUF012 - of the one model in this test

        def generate(self, requests: Sequence[GenerationRequest]) -> list[Generation]:
            self.seeds += [one.seed for one in requests]
            return [Generation("People should honour what is old.", 1, 1, "stop", 0.0) for _ in requests]

    model = Seeds()
    host = ReadingHost(ServeConfig(run="."), model, "rewriter")  # type: ignore[arg-type]
    wanted = Absolute((0.5,) * 10)
    jobs = [RewriteJob("Everyone may vote as they like.", wanted, seed) for seed in (0, 1, 1)]
    first, second, third = host.rewrite(jobs)
    assert isinstance(first, Rewriting)
    assert first.text == "People should honour what is old."
    assert first.request.target == (0.5,) * 10
    assert not isinstance(second, Failure)
    assert second == third
    assert model.seeds[1] == model.seeds[2] != model.seeds[0]
    embedded = host.embed(["Two words", "word " * 400])
    assert embedded.vectors.shape == (2, 384)
    assert embedded.tokens == 4 + 256  # with the marks at both ends, cut at the embedder's window
