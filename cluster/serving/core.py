"""What the server does with a request once it is read: find the model, draw, ask, rewrite, and say how it came about."""

from __future__ import annotations

import asyncio
import contextvars
import secrets
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agents.cultures import Culture, get_culture, load_cultures
from agents.grounding import Grounding
from agents.models.config import AnyModelConfig, BundledConfig
from agents.models.protocol import Generation, GenerationRequest, Message
from agents.prompts import PromptSet
from cluster.serving.answers import Answer, Sampling, cut, named, note_of, vector
from cluster.serving.bargaining import BargainingStore, HeldBargaining, no_bargaining
from cluster.serving.config import ServeConfig
from cluster.serving.dialogues import Dialogues, draw, question
from cluster.serving.errors import ApiError, unknown_model, unknown_policy
from cluster.serving.openai_schema import ModelCard
from cluster.serving.policies import Held, PolicyStore, Snapshot
from cluster.serving.schema import (
    ConsistencyReading,
    CultureReply,
    MapPlace,
    ModelNote,
    PolicyRow,
    Values,
)
from cluster.serving.services import RewriteJob, Services
from negotiation.errors import CultureError
from rewriter.injection import Failure
from rewriter.targets import Absolute

BASE, EMBEDDER, CULTURE, CONSENSUS = "base", "embedder", "culture/", "consensus/"
"""Ids of models, or what they begin with."""


class Core:
    """The server behind its HTTP face.

    Args:
        config: of the server.
        services: the models.

    Attributes:
        draining: whether it takes no more requests.
        busy: requests at work, without negotiations.
        following: negotiations that are followed.

    Raises:
        RunError: if the run has no policies.
        ConfigurationError: if the prompts cannot be read.
    """

    def __init__(self, config: ServeConfig, services: Services) -> None:
        self.config, self.services = config, services
        self.store = PolicyStore(config.run, config.policies, config.grace_s)
        self.bargaining = BargainingStore(config.run, config.policies, config.grace_s)
        self.draining = False
        self.busy = 0
        self.following = 0
        grounding = Grounding.load(config.grounding, [culture.id for culture in load_cultures()])
        self._dialogues = Dialogues(
            PromptSet.load(None if config.prompts is None else Path(config.prompts)),
            config.asks_questions,
            config.words,
            {} if grounding is None else grounding.portraits,
        )
        self._adapters = adapters_of(config.model)
        self._created = int(time.time())
        self._values: dict[str, asyncio.Task[Values]] = {}
        self._topics: dict[str, NDArray[np.float64]] = {}

    @property
    def snapshot(self) -> Snapshot:
        """The policies now."""
        return self.store.snapshot

    def refresh(self) -> bool:
        """Look at the run folder again; whether what is served changed."""
        bargained = self.bargaining.refresh()
        changed = self.store.refresh()
        if changed:
            kept = {held.digest for held in self.snapshot.held.values()}
            for digest in [digest for digest in self._values if digest not in kept]:
                del self._values[digest]
            topics = {held.row.topic.text for held in self.snapshot.held.values()}
            for text in [text for text in self._topics if text not in topics]:
                del self._topics[text]
        return changed or bargained

    # --- What there is

    def models(self) -> list[ModelCard]:
        """All models: tables, policies, cultures, base and embedder."""
        found = self.snapshot
        cards = [self._card(CONSENSUS + table, "alias", _table_name(table)) for table in found.tables]
        cards += [
            self._card(CONSENSUS + name, "policy", one.row.topic.text) for name, one in found.held.items()
        ]
        cards += [self._card(CULTURE + one.id, "culture", one.name) for one in load_cultures()]
        cards.append(self._card(BASE, "base", self.config.model_name))
        cards.append(self._card(EMBEDDER, "embedder", self.config.embedder))
        return cards

    def card(self, name: str) -> ModelCard:
        """One model; ``ApiError`` if there is none of this id."""
        if name.startswith(CONSENSUS):  # also under another order of a table's cultures
            label = name.removeprefix(CONSENSUS)
            held = self.snapshot.held.get(label)
            if held is not None:
                return self._card(name, "policy", held.row.topic.text)
            if self.snapshot.table(label):
                return self._card(name, "alias", _table_name(label))
        for card in self.models():
            if card.id == name:
                return card
        raise unknown_model(name)

    def _card(self, name: str, kind: Any, label: str) -> ModelCard:
        return ModelCard(id=name, created=self._created, concordat=ModelNote(kind=kind, name=label))

    def held(self, name: str, param: str | None = "policy") -> Held:
        """A policy by its id; ``ApiError`` if there is none."""
        found = self.snapshot.held.get(name)
        if found is None:
            raise unknown_policy(name, param)
        return found

    def rows(self) -> list[PolicyRow]:
        """The policies' lines, in the order of their ids."""
        bargained = self.bargaining.held
        return [
            held.row.model_copy(update={"bargaining": True}) if name in bargained else held.row
            for name, held in self.snapshot.held.items()
        ]

    def bargained(self, name: str) -> HeldBargaining:
        """A policy's bargaining policy by its id; ``ApiError`` if there is none."""
        self.held(name, None)
        found = self.bargaining.held.get(name)
        if found is None:
            raise no_bargaining(name)
        return found

    def cultures(self) -> list[CultureReply]:
        """All cultures, with what surveys found."""
        from agents.survey.shipped import shipped_profiles

        found = []
        for culture in load_cultures():
            place = shipped_profiles()[culture.id].culture_map
            values = None if culture.profile is None else named(culture.profile.scores)
            on_map = {"self_expression", "secular_rational"} <= set(place)
            found.append(
                CultureReply(
                    id=culture.id,
                    name=culture.name,
                    values=values,
                    map=MapPlace(x=place["self_expression"].value, y=place["secular_rational"].value)
                    if on_map
                    else None,
                )
            )
        return found

    async def values(self, held: Held) -> Values:
        """A policy's values; read once for each version of its file."""
        task = self._values.get(held.digest)
        if task is None or (task.done() and (task.cancelled() or task.exception() is not None)):
            # In a context of its own: it must outlive the request that happened to ask first.
            task = asyncio.create_task(
                _told(self.services.policy_values(held.policy().text())), context=contextvars.Context()
            )
            self._values[held.digest] = task
        return await asyncio.shield(task)

    # --- Asking

    async def answer(self, name: str, messages: Sequence[Message], sampling: Sampling) -> Answer:
        """Ask a model by its id.

        Raises:
            ApiError: if there is none, or it does not chat.
        """
        if name == BASE:
            return await self._plain(tuple(messages), sampling, None)
        if name.startswith(CULTURE):
            culture = _culture(name)
            adapter = culture.id if culture.id in self._adapters else None
            return await self._plain(self._dialogues.culture(culture, messages), sampling, adapter)
        if name.startswith(CONSENSUS):
            held = await self._consensus(name, messages)
            return await self._by_policy(held, messages, sampling)
        if name == EMBEDDER:
            raise ApiError(
                400,
                f"model {EMBEDDER!r} does not chat; use it with /v1/embeddings",
                code="wrong_model",
                param="model",
            )
        raise unknown_model(name)

    async def _consensus(self, name: str, messages: Sequence[Message]) -> Held:
        """The policy of a model's id; of a table's policies the one whose topic is nearest to the question."""
        snapshot, label = self.snapshot, name.removeprefix(CONSENSUS)
        if label in snapshot.held:
            return snapshot.held[label]
        found = [snapshot.held[one] for one in snapshot.table(label)]
        if not found:
            raise unknown_model(name)
        if len(found) == 1:
            return found[0]
        texts = list(dict.fromkeys(held.row.topic.text for held in found))
        new = [text for text in texts if text not in self._topics]
        asked = (await self.services.embed([question(messages), *new])).vectors
        self._topics |= dict(zip(new, asked[1:], strict=True))
        likeness = np.array([self._topics[held.row.topic.text] for held in found]) @ asked[0]
        return found[int(likeness.argmax())]

    async def _plain(self, dialogue: tuple[Message, ...], sampling: Sampling, adapter: str | None) -> Answer:
        reply = await self._ask(dialogue, sampling, adapter)
        text, finish = cut(reply, sampling.stops)
        return Answer(text, reply, finish)

    async def _by_policy(self, held: Held, messages: Sequence[Message], sampling: Sampling) -> Answer:
        policy = held.policy()
        target = await self.values(held)
        drawn = draw(policy, sampling.seed)
        reply = await self._ask(self._dialogues.policy(policy, drawn, messages), sampling, None)
        base, finish = cut(reply, sampling.stops)
        base = base.strip()
        if not base:
            note = note_of(policy, drawn, base, None, target, "the base model wrote nothing")
            return Answer(base, reply, finish, note)
        outcome = await self.services.rewrite(RewriteJob(base, Absolute(vector(target))))
        if isinstance(outcome, Failure):
            fault = "the rewriter wrote nothing usable"
            note = note_of(policy, drawn, base, outcome.request.before, target, fault)
            return Answer(base, reply, finish, note)
        note = note_of(policy, drawn, base, outcome.request.before, target).model_copy(
            update={
                "values_after": named(outcome.after),
                "consistency": ConsistencyReading(
                    forward=outcome.consistency.forward, backward=outcome.consistency.backward
                ),
            }
        )
        return Answer(outcome.text, reply, finish, note)

    async def _ask(
        self, dialogue: tuple[Message, ...], sampling: Sampling, adapter: str | None
    ) -> Generation:
        return await self.services.generate(
            GenerationRequest(
                messages=dialogue,
                max_new_tokens=sampling.tokens,
                temperature=sampling.temperature,
                top_p=sampling.top_p,
                seed=sampling.seed,
                adapter=adapter,
            )
        )

    def sampling(
        self,
        tokens: int | None,
        temperature: float | None,
        top_p: float | None,
        seed: int | None,
        stops: tuple[str, ...],
    ) -> Sampling:
        """A request's sampling, with what the server sets where it says nothing.

        Raises:
            ApiError: if it asks for too many tokens.
        """
        limits = self.config.limits
        if tokens is not None and tokens > limits.tokens:
            raise ApiError(
                400,
                f"max_tokens is {tokens}; this server writes at most {limits.tokens}",
                code="too_many_tokens",
                param="max_tokens",
            )
        return Sampling(
            limits.default_tokens if tokens is None else tokens,
            self.config.temperature if temperature is None else temperature,
            1.0 if top_p is None else top_p,
            secrets.randbits(48) if seed is None else seed % 2**63,
            stops,
        )


def adapters_of(model: AnyModelConfig) -> dict[str, str]:
    """Adapters by the cultures that speak with them, and where they are."""
    if isinstance(model, BundledConfig):
        from agents.bundled import bundled_adapter_path, bundled_adapters

        names = bundled_adapters() if model.adapters is None else model.adapters
        return {name: str(bundled_adapter_path(name)) for name in names}
    return dict(model.adapters)


def _culture(name: str) -> Culture:
    label = name.removeprefix(CULTURE)
    try:
        culture = get_culture(label)
    except CultureError:
        raise unknown_model(name) from None
    if culture.id != label:
        raise unknown_model(name)
    return culture


def _table_name(table: str) -> str:
    names = []
    for name in table.split("+"):
        try:
            names.append(get_culture(name).name)
        except CultureError:
            names.append(name)
    return " and ".join(names)


async def _told(values: Any) -> Values:
    """An awaitable as a coroutine."""
    found: Values = await values
    return found
