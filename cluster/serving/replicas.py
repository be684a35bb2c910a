"""The deployments of a server: the HTTP API, the models, what reads and rewrites, and negotiations.

Each is a shell round a plain class of this package; it adds replicas, batches and metrics. Importing this needs Ray Serve.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from ray import serve
from ray.exceptions import RayError, RayTaskError
from ray.serve.exceptions import BackPressureError, RayServeException
from ray.serve.handle import DeploymentHandle

from agents.models.protocol import Generation, GenerationRequest, Score, ScoringRequest
from cluster.serving.bargaining import HeldBargaining
from cluster.serving.bargaining_schema import PlayReply
from cluster.serving.batcher import Batcher
from cluster.serving.config import ServeConfig
from cluster.serving.errors import ApiError, retriable
from cluster.serving.hosts import Loadable, ModelHost, ReadingHost
from cluster.serving.meters import Meters
from cluster.serving.negotiating import Negotiations
from cluster.serving.negotiation_schema import NegotiateRequest
from cluster.serving.plays import Plays
from cluster.serving.schema import Values
from cluster.serving.services import Embedded, Event, RewriteJob
from negotiation.errors import ConcordatError, ModelServerError
from rewriter.injection import Failure
from rewriter.targets import PolicyText
from rewriter.vocabulary import Rewriting, Shift, ValueReading

logger = logging.getLogger(__name__)

REWRITING_S = 600.0
"""How long a rewriter's batch may wait for its model before it counts as lost."""


MOST_ADAPTERS = 32
"""Adapters that a replica of the model keeps loaded beside the rewriter's; those that were asked for last."""


def threads_of_replica() -> int:
    """Threads that Ray gave this replica for its arithmetic."""
    return max(1, int(os.environ.get("OMP_NUM_THREADS", "1")))


class _Adapter:
    """An adapter that is loaded; Ray lets it go by ending this object."""

    def __init__(self, host: ModelHost, name: str, threads: ThreadPoolExecutor) -> None:
        self._host, self._name, self._threads = host, name, threads

    def __del__(self) -> None:
        self._threads.submit(self._host.remove, self._name)


class ModelReplica:
    """A language model. Requests of all callers share batches, whatever adapter each asks for.

    Args:
        loadable: which model.
        config: of the server.
    """

    def __init__(self, loadable: Loadable, config: ServeConfig) -> None:
        use_serve_log()
        self._host = ModelHost(loadable)
        self._threads = ThreadPoolExecutor(1, thread_name_prefix="adapters")
        meters = Meters("model")
        self._batcher: Batcher[list[GenerationRequest], list[Generation]] = Batcher(
            self._host.generate, config.batching.size, config.batching.wait_s, size_of=len, told=meters.batch
        )
        self._meters = meters

    @serve.multiplexed(max_num_models_per_replica=MOST_ADAPTERS)  # type: ignore[untyped-decorator]  # Ray ships none
    async def _load(self, name: str) -> _Adapter:
        await asyncio.get_running_loop().run_in_executor(self._threads, self._host.add, name)
        return _Adapter(self._host, name, self._threads)

    async def generate(self, requests: list[GenerationRequest]) -> list[Generation]:
        """One reply a request."""
        adapter = serve.get_multiplexed_model_id()
        if adapter:  # Ray comes to know that it is here, and sends what asks for it to this replica
            await self._load(adapter)
        replies = await self._batcher(requests)
        self._meters.tokens(sum(reply.generated_tokens for reply in replies))
        return replies

    async def ping(self) -> str:
        """Name of the model; it is loaded."""
        return self._host.model.name


class _HandleModel:
    """The model of another deployment, for code that runs in a thread."""

    def __init__(self, name: str, handle: DeploymentHandle) -> None:
        self.name, self._handle = name, handle

    def generate(self, requests: Sequence[GenerationRequest]) -> list[Generation]:
        """One reply a request."""
        try:
            replies: list[Generation] = self._handle.generate.remote(list(requests)).result(
                timeout_s=REWRITING_S
            )
        except (RayError, RayServeException) as error:
            raise plain(error) from error
        return replies

    def score(self, requests: Sequence[ScoringRequest]) -> list[Score]:
        """Nothing here asks for scores."""
        raise ModelServerError("a served model does not score texts")


class ReadingReplica:
    """Reads values, embeds, translates and rewrites.

    Args:
        config: of the server.
        model: deployment of the model that rewrites.
        rewriter: name of the rewriter's adapter there.
    """

    def __init__(self, config: ServeConfig, model: DeploymentHandle, rewriter: str | None) -> None:
        use_serve_log()
        asked = _HandleModel(config.model_name, model)
        self._host = ReadingHost(config, asked, rewriter, threads_of_replica())
        size, wait_s = config.batching.size, config.batching.wait_s
        # A batch of rewritings waits for the model most of the time; meanwhile the next one is read.
        self._rewriting: Batcher[RewriteJob, Rewriting | Failure] = Batcher(
            self._host.rewrite, size, wait_s, side_by_side=2, told=Meters("rewriter").batch
        )
        self._threads = ThreadPoolExecutor(2, thread_name_prefix="reading")

    async def _apart(self, function: Any, *arguments: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._threads, function, *arguments)

    async def read(self, texts: list[str]) -> list[ValueReading]:
        """The values of texts."""
        found: list[ValueReading] = await self._apart(self._host.read, texts)
        return found

    async def policy_values(self, policy: PolicyText) -> Values:
        """The values of a policy."""
        found: Values = await self._apart(self._host.policy_values, policy)
        return found

    async def embed(self, texts: list[str]) -> Embedded:
        """The vectors of texts."""
        found: Embedded = await self._apart(self._host.embed, texts)
        return found

    async def translate(self, instruction: str) -> Shift:
        """What words ask for."""
        found: Shift = await self._apart(self._host.translate, instruction)
        return found

    async def rewrite(self, job: RewriteJob) -> Rewriting | Failure:
        """A text with other values."""
        return await self._rewriting(job)

    async def ping(self) -> str:
        """The parts are loaded."""
        return "ok"


class RayServices:
    """``Services`` in deployments: calls them, and takes Ray's wrapping off their errors.

    Args:
        config: of the server.
        model: deployment of the base model.
        readers: what reads and rewrites.
        negotiations: what negotiates; None for a caller that does not.
    """

    def __init__(
        self,
        config: ServeConfig,
        model: DeploymentHandle,
        readers: DeploymentHandle,
        negotiations: DeploymentHandle | None = None,
    ) -> None:
        from cluster.serving.core import adapters_of

        self._model, self._readers, self._negotiations = model, readers, negotiations
        self._multiplexed = frozenset(adapters_of(config.model))

    async def generate(self, request: GenerationRequest) -> Generation:
        """A reply of the base model."""
        return (await self.replies([request]))[0]

    async def replies(self, requests: Sequence[GenerationRequest]) -> list[Generation]:
        """One reply a request, of a replica that has the adapter loaded if there is one."""
        names = {request.adapter for request in requests} & self._multiplexed
        name = names.pop() if len(names) == 1 else ""
        model = self._model.options(multiplexed_model_id=name) if name else self._model
        found: list[Generation] = await _answer(model.generate.remote(list(requests)))
        return found

    async def read(self, texts: Sequence[str]) -> list[ValueReading]:
        """The values of texts."""
        found: list[ValueReading] = await _answer(self._readers.read.remote(list(texts)))
        return found

    async def policy_values(self, policy: PolicyText) -> Values:
        """The values of a policy."""
        found: Values = await _answer(self._readers.policy_values.remote(policy))
        return found

    async def embed(self, texts: Sequence[str]) -> Embedded:
        """The vectors of texts."""
        found: Embedded = await _answer(self._readers.embed.remote(list(texts)))
        return found

    async def translate(self, instruction: str) -> Shift:
        """What words ask for."""
        found: Shift = await _answer(self._readers.translate.remote(instruction))
        return found

    async def rewrite(self, job: RewriteJob) -> Rewriting | Failure:
        """A text with other values."""
        found: Rewriting | Failure = await _answer(self._readers.rewrite.remote(job))
        return found

    async def negotiate(self, request: NegotiateRequest, negotiation: str) -> AsyncIterator[Event]:
        """The events of a negotiation; closing the iterator cancels it."""
        assert self._negotiations is not None
        events = self._negotiations.options(stream=True).events.remote(request, negotiation)
        over = False
        try:
            async for event in events:
                yield event
            over = True
        except (RayError, RayServeException) as error:
            over = True
            raise plain(error) from error
        finally:
            if not over:
                events.cancel()

    async def cancel(self, negotiation: str) -> bool:
        """Cancel a negotiation."""
        assert self._negotiations is not None
        found: bool = await _answer(self._negotiations.cancel.remote(negotiation))
        return found

    async def start_play(self, held: HeldBargaining, player: int) -> PlayReply:
        """Start a play."""
        assert self._negotiations is not None
        found: PlayReply = await _answer(self._negotiations.start_play.remote(held, player))
        return found

    async def show_play(self, play: str) -> PlayReply:
        """A play as it stands."""
        assert self._negotiations is not None
        found: PlayReply = await _answer(self._negotiations.show_play.remote(play))
        return found

    async def move(self, play: str, action: int, after: int | None) -> PlayReply:
        """A client's move."""
        assert self._negotiations is not None
        found: PlayReply = await _answer(self._negotiations.move.remote(play, action, after))
        return found

    async def check(self) -> None:
        """Raise what keeps the parts from answering."""
        await asyncio.gather(_answer(self._model.ping.remote()), _answer(self._readers.ping.remote()))


class NegotiationReplica:
    """Negotiations and plays under way; there is one, so that any API replica can cancel and go on with any of them.

    Args:
        config: of the server.
        model: deployment of the base model.
        readers: what embeds and reads.
    """

    def __init__(self, config: ServeConfig, model: DeploymentHandle, readers: DeploymentHandle) -> None:
        use_serve_log()
        self._negotiations = Negotiations(config, RayServices(config, model, readers))
        self._plays = Plays(config.limits.plays)

    async def events(self, request: NegotiateRequest, negotiation: str) -> AsyncIterator[Event]:
        """The events of a negotiation."""
        async for event in self._negotiations.events(request, negotiation):
            yield event

    async def cancel(self, negotiation: str) -> bool:
        """Cancel a negotiation; whether there was one."""
        return self._negotiations.cancel(negotiation)

    async def start_play(self, held: HeldBargaining, player: int) -> PlayReply:
        """Start a play."""
        return self._plays.start(held.policy(), player)

    async def show_play(self, play: str) -> PlayReply:
        """A play as it stands."""
        return self._plays.show(play)

    async def move(self, play: str, action: int, after: int | None) -> PlayReply:
        """A client's move."""
        return self._plays.move(play, action, after)


async def _answer(response: Any) -> Any:
    """What a deployment answers; its errors without Ray's wrapping. Who is cancelled here is not answered for there either."""
    try:
        return await response
    except asyncio.CancelledError:
        response.cancel()
        raise
    except (RayError, RayServeException) as error:
        raise plain(error) from error


def plain(error: BaseException) -> Exception:
    """An error without Ray's wrapping: one of ours as it was raised, a lost replica as an error that goes away."""
    if isinstance(error, RayTaskError) and isinstance(error.cause, (ConcordatError, ApiError, TimeoutError)):
        return error.cause
    if isinstance(error, BackPressureError):
        return retriable("overloaded", "too many requests wait; try again", 2)
    if isinstance(error, RayTaskError):
        logger.error("a replica failed: %s", error)
        return RuntimeError("a replica failed")
    logger.warning(
        "a replica was lost: %s", str(error).splitlines()[0] if str(error) else type(error).__name__
    )
    return retriable("replica_lost", "a part of the server was lost and is being restarted; try again", 2)


def use_serve_log() -> None:
    """Let this package's log lines go where Ray Serve's go, in this replica."""
    ours, theirs = logging.getLogger("cluster"), logging.getLogger("ray.serve")
    ours.handlers = list(theirs.handlers)
    ours.setLevel(logging.INFO)
    ours.propagate = False
