"""A worker of the rewriter's training: shells round the trainers of ``rewriter.learning``, with checkpoints and curves.

All workers hold the policy. The first one also orders completions and rewards, and writes the curves.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agents.tuning.curves import Curves, read_events
from cluster.config import ResourcesConfig
from cluster.rewriting.production import (
    JUDGEMENTS_IN_FLIGHT,
    WRITES_IN_FLIGHT,
    Batch,
    Order,
    Production,
)
from cluster.rewriting.teams import Recipe, Team
from cluster.rewriting.training_clock import Clock, Gauges, Point, grpo_point, numbers, pair_point, summary
from cluster.rewriting.training_config import AdapterTraining, RewriterTrainingConfig
from cluster.work_folder import ADAPTER
from negotiation.errors import ConcordatError
from rewriter.learning.config import GRPOSettings
from rewriter.learning.vocabulary import (
    Completion,
    PreferenceRow,
    Prompts,
    Reward,
    RolloutWriter,
    SupervisedRow,
)

if TYPE_CHECKING:
    import torch

    from rewriter.learning.policy import Policy


@dataclass(frozen=True, slots=True)
class Actors:
    """The actors of one kind, and how more are made."""

    handles: tuple[Any, ...]
    recipe: Recipe

    def team(self, most: int, resources: ResourcesConfig) -> Team:
        """Them, as one process looks after them."""
        return Team(list(self.handles), self.recipe, most, resources)


@dataclass(frozen=True, slots=True)
class Given:
    """What every worker is given.

    Attributes:
        config: of the training.
        work: the work folder in full.
        run: name of the training.
        requests: of GRPO; each step draws some.
        rows: of the other methods.
        writers: rollout actors, for GRPO.
        judges: reward actors, for GRPO.
        whose: training it is, for messages.
    """

    config: AdapterTraining
    work: Path
    run: str
    requests: tuple[Any, ...] = ()
    rows: tuple[SupervisedRow, ...] | tuple[PreferenceRow, ...] = ()
    writers: Actors | None = None
    judges: Actors | None = None
    whose: str = "the rewriter"

    def order(self, step: int) -> Order:
        """What is wanted for a step; as in one process, prompts and samples are a function of seed and step."""
        from rewriter.learning.loop import drawn, step_seed

        learning = self.config.learning
        assert isinstance(learning, GRPOSettings)
        places = drawn(len(self.requests), step, learning)
        requests = tuple(self.requests[place] for place in places)
        return Order(step, requests, learning.group, step_seed(learning, step))


def make_policy(config: AdapterTraining, device: torch.device, prompts: Prompts[Any] | None = None) -> Policy:
    """The policy with the adapter that the training begins with.

    Args:
        config: of the training.
        device: where.
        prompts: what its requests become dialogues by; the rewriter's if None. Who learns from completions needs none.

    Raises:
        ModelError: if model or adapter cannot be loaded, or do not belong together.
    """
    from agents.tuning.adapter import Base
    from rewriter.learning.policy import Policy

    learning = config.learning
    return Policy(
        Base.of(config.model),
        device,
        rank=learning.rank,
        seed=learning.seed,
        precision=learning.precision,
        start=config.start,
        prompts=prompts,
    )


def make_writer(config: RewriterTrainingConfig) -> RolloutWriter[Any]:
    """What a rollout actor holds."""
    import torch

    from agents.models.loading import choose_device
    from rewriter.learning.rollout import PolicyRollouts

    torch.set_num_threads(config.threads)
    sampling = config.learning if isinstance(config.learning, GRPOSettings) else config.samples
    policy = make_policy(config, choose_device(config.device))
    return PolicyRollouts(policy, max_tokens=sampling.max_tokens, temperature=sampling.temperature)


def worker(loop: dict[str, Given]) -> ConcordatError | None:
    """One worker: go on from the last checkpoint to the end. What it is given is at ``given``.

    An error that comes to all workers alike, such as a model that does not load, is returned: another try would not help.
    """
    import torch

    given = loop["given"]
    torch.set_num_threads(given.config.threads)
    try:
        if isinstance(given.config.learning, GRPOSettings):
            _learn_from_rewards(given)
        else:
            _learn_from_rows(given)
    except ConcordatError as error:
        return error
    return None


class _Journal:
    """Curves and checkpoints: written by the first worker, awaited by all. Use as a context manager.

    Args:
        given: to the worker.
        policy: whose adapter is saved at the end.
        step: that the training goes on from.
        rank: of this worker, from 0.
        about: what is told of the workers.
    """

    def __init__(self, given: Given, policy: Policy, step: int, rank: int, about: dict[str, Any]) -> None:
        self.clock = Clock()
        self._given, self._policy, self._about = given, policy, about
        self._curves = Curves(given.work, step) if rank == 0 else None
        self._gauges = Gauges(given.run)
        if self._curves is not None:
            self._curves.began(step, about["workers"], about["device"])

    def __enter__(self) -> _Journal:
        return self

    def __exit__(self, *given: Any) -> None:
        if self._curves is not None:
            self._curves.__exit__(*given)

    def point(self, make: Callable[[Clock], Point]) -> None:
        """One point of the curve."""
        if self._curves is None:
            return
        point = make(self.clock)
        self._curves.point(point, numbers(point))
        self._gauges.show(point)

    def save(self, step: int, done: bool, writes: Sequence[Callable[[Path], None]]) -> None:
        """A checkpoint; every worker must call it. With the adapter and a summary, if the training is done."""
        import ray.train
        from ray.train import Checkpoint

        if self._curves is None:
            ray.train.report({})
            return
        with self.clock.phase("save"), tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            for write in writes:
                write(folder)
            metrics: dict[str, Any] = {"step": step} | self._about
            if done:
                (folder / ADAPTER).mkdir()
                self._policy.save(folder / ADAPTER)
                points = [e for e in read_events(self._given.work) if e["event"] == "progress"]
                metrics |= summary(points, self._given.config.limits.window)
            ray.train.report(metrics, checkpoint=Checkpoint.from_directory(name))
        self._curves.saved(step)


def _learn_from_rewards(given: Given) -> None:
    """GRPO: take a batch, order the next one, learn."""
    import ray.train
    from ray.train.torch import get_device

    from agents.tuning.crew import TorchCrew
    from cluster.rewriting.feed import read_kept, taken_by_all
    from rewriter.learning.grpo_trainer import GRPOTrainer

    config, device = given.config, get_device()
    learning, crew = config.learning, TorchCrew(device)
    assert isinstance(learning, GRPOSettings)
    policy = make_policy(config, device)
    trainer = GRPOTrainer(policy, learning, crew)
    kept = None
    checkpoint = ray.train.get_checkpoint()
    if checkpoint is not None:
        with checkpoint.as_directory() as folder:
            trainer.load(Path(folder))
            kept = read_kept(Path(folder))
    about = {"method": learning.method, "base": policy.base.name, "workers": crew.size, "device": str(device)}
    with ExitStack() as stack:
        journal = stack.enter_context(_Journal(given, policy, trainer.steps_done, crew.rank, about))
        feed = _feed(given, stack) if crew.rank == 0 else None
        if feed is not None and not trainer.done:
            feed.push(*(kept or (0, policy.weights())))
            feed.begin(trainer.steps_done)
        while not trainer.done:
            step = trainer.steps_done
            with journal.clock.phase("wait"):
                batch = taken_by_all(feed, crew.size, device)
            if config.flow.stale and step + 1 < learning.steps:
                _order(feed, journal.clock, policy, step, step + 1)
            with journal.clock.phase("learn"):
                figures = trainer.step(*own_share(batch, crew.rank, crew.size))
            if not config.flow.stale and not trainer.done:
                _order(feed, journal.clock, policy, step + 1, step + 1)
            journal.point(partial(grpo_point, figures, learning.steps, batch))
            if trainer.done or trainer.steps_done % learning.check_every == 0:
                writes = [trainer.save] if feed is None else [trainer.save, feed.save]
                journal.save(trainer.steps_done, trainer.done, writes)


def _order(feed: Any, clock: Clock, policy: Policy, version: int, step: int) -> None:
    """Have the batch of a step written with the present weights."""
    if feed is None:
        return
    with clock.phase("push"):
        feed.push(version, policy.weights())
        feed.begin(step)


def _feed(given: Given, stack: ExitStack) -> Any:
    from cluster.rewriting.feed import Feed

    config = given.config
    assert given.writers is not None
    assert given.judges is not None
    resources = ResourcesConfig(restarts=config.failures)
    production = Production(
        given.writers.team(WRITES_IN_FLIGHT, resources),
        given.judges.team(JUDGEMENTS_IN_FLIGHT, resources),
        config.flow.call_prompts,
        config.flow.judge_batch,
    )
    feed = Feed(production, given.order)
    stack.callback(feed.close)
    return feed


def own_share(batch: Batch, rank: int, size: int) -> tuple[list[Completion[Any]], list[Reward]]:
    """A worker's completions and their rewards: every ``size``-th group, whole."""
    mine = [
        (completion, reward)
        for completion, reward in zip(batch.completions, batch.rewards, strict=True)
        if completion.group % size == rank
    ]
    return [completion for completion, _ in mine], [reward for _, reward in mine]


def _learn_from_rows(given: Given) -> None:
    """SFT, DPO or SimPO: every worker knows all rows and their order."""
    import ray.train
    from ray.train.torch import get_device

    from agents.tuning.crew import TorchCrew
    from rewriter.learning.pair_trainer import PairTrainer

    config, device = given.config, get_device()
    learning, crew = config.learning, TorchCrew(device)
    assert not isinstance(learning, GRPOSettings)
    policy = make_policy(config, device)
    trainer = PairTrainer(policy, given.rows, learning, crew)
    checkpoint = ray.train.get_checkpoint()
    if checkpoint is not None:
        with checkpoint.as_directory() as folder:
            trainer.load(Path(folder))
    about = {"method": learning.method, "base": policy.base.name, "workers": crew.size, "device": str(device)}
    about |= {"rows": len(given.rows)}
    with _Journal(given, policy, trainer.steps_done, crew.rank, about) as journal:
        while not trainer.done:
            with journal.clock.phase("learn"):
                figures = trainer.step()
            journal.point(partial(pair_point, figures, learning.steps))
            if trainer.done or trainer.steps_done % learning.check_every == 0:
                journal.save(trainer.steps_done, trainer.done, [trainer.save])
