"""The training of a learned oracle: ``cluster.rewriting.training`` with situations for requests and the game's utility as reward.

The work folder is that of every training there. After it, both adapters propose in situations of the topics that nothing was
learned from, with as many candidates each.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import ray

from cluster.config import ResourcesConfig
from cluster.proposing.config import OracleTrainingConfig
from cluster.proposing.material import OracleMaterial, placed, spread
from cluster.ray_backend import QUIET_THREADS
from cluster.rewriting.production import JUDGEMENTS_IN_FLIGHT, WRITES_IN_FLIGHT, Order, Production, Weighed
from cluster.rewriting.rewards import RewardActor
from cluster.rewriting.rollouts import RolloutActor
from cluster.rewriting.teams import Recipe, Team, await_loaded, begin
from cluster.rewriting.training import Makers, Training, allot, full_paths, over_limits, train_adapter
from cluster.rewriting.training_config import LimitsConfig
from cluster.rewriting.training_worker import make_policy
from cluster.work_folder import Told
from rewriter.learning.vocabulary import Judge, RolloutWriter
from rewriter.proposing.measure import proposed, summarise
from rewriter.proposing.situations import Situation


def train_oracle(
    config: OracleTrainingConfig,
    material: OracleMaterial,
    told: Told = lambda event: None,
    address: str | None = None,
    makers: Makers | None = None,
) -> dict[str, Any]:
    """Train whatever is left to do and put the adapter into ``config.out``.

    Args:
        config: what to train.
        material: what to learn from, and what to measure by.
        told: hears of progress, if the work folder is on this machine or shared with it.
        address: of a running Ray cluster; None for a local one.
        makers: of what actors hold; None for what the configuration says.

    Returns:
        The figures of ``cluster.rewriting.training.train_adapter``; under ``held_out`` also what the culture's own adapter and
        the learned one gained on held-out topics.

    Raises:
        ConfigurationError: if data, model or adapter cannot be used.
        RunInUseError: if another process trains in the work folder.
        RunError: if the work folder is of another training, the cluster has no room, or processes kept dying.
    """
    whole = config.model_copy(update=full_paths(config.model, config.start))
    chosen = spread(material.held_out, config.measure.situations, config.learning.seed)
    training = Training(
        config=whole,
        name="oracle",
        whose=f"the oracle of {config.culture}",
        settings=config.tree() | {"material": material.fingerprint()},
        requests=material.learned,
        measure=partial(_measure, whole, chosen, material.epsilon) if chosen and makers is None else None,
    )
    given = makers or Makers(partial(make_writer, whole), partial(make_judge, whole))
    return train_adapter(training, given, told, address)


def faults(figures: dict[str, Any], limits: LimitsConfig) -> list[str]:
    """Why a finished training fails its check, one line each; none if it does not."""
    return over_limits(
        figures,
        limits,
        copied="of the candidates repeat a guideline in view",
        collapsed="of the candidates are malformed",
    )


def make_writer(config: OracleTrainingConfig) -> RolloutWriter[Situation]:
    """What a rollout actor holds: the adapter that ``config`` begins with, asked as the culture's agent is."""
    import torch

    from agents.models.loading import choose_device
    from agents.prompts import PromptSet
    from rewriter.learning.rollout import PolicyRollouts
    from rewriter.proposing.situations import SituationPrompts

    torch.set_num_threads(config.threads)
    prompts = SituationPrompts(PromptSet.load(placed(config.prompts)))
    policy = make_policy(config, choose_device(config.device), prompts)
    learning = config.learning
    return PolicyRollouts(policy, max_tokens=learning.max_tokens, temperature=learning.temperature)


def make_judge(config: OracleTrainingConfig) -> Judge[Situation]:
    """What a reward actor holds."""
    from agents.embedding import load_embedder
    from rewriter.proposing.judge import ProposalJudge

    embedder = load_embedder(config.embedder, device="cpu", num_threads=config.threads)
    return ProposalJudge(embedder, config.learning.reward)


def _measure(config: OracleTrainingConfig, situations: Sequence[Situation], epsilon: float) -> dict[str, Any]:
    """What the adapter that was begun with, and the learned one, gain in the same situations."""
    # Sampled as agents sample, and copies valued as the game values them.
    valued = config.learning.reward.model_copy(update={"copy_floor": False})
    learning = {"reward": valued, "temperature": config.measure.temperature}
    config = config.model_copy(update={"learning": config.learning.model_copy(update=learning)})
    total = ray.cluster_resources()
    counts = {"own": config.flow.rollouts, "learned": config.flow.rollouts, "judges": config.flow.judges}
    cpus, gpus = allot(config, sum(counts.values()), total.get("CPU", 1.0), total.get("GPU", 0.0)).actor
    options = {
        "num_cpus": cpus,
        "num_gpus": gpus,
        "max_restarts": config.failures,
        "max_task_retries": config.failures,
        "runtime_env": {"env_vars": QUIET_THREADS | {"OMP_NUM_THREADS": str(config.threads)}},
    }
    run, resources = f"oracle-{secrets.token_hex(3)}", ResourcesConfig(restarts=config.failures)
    learned = config.model_copy(update={"start": config.out.resolve()})
    recipes = {
        "own": Recipe(RolloutActor, partial(make_writer, config), "own", run, options),
        "learned": Recipe(RolloutActor, partial(make_writer, learned), "learned", run, options),
        "judges": Recipe(RewardActor, partial(make_judge, config), "judges", run, options),
    }
    begun = {name: begin(recipe, counts[name]) for name, recipe in recipes.items()}
    most = {"own": WRITES_IN_FLIGHT, "learned": WRITES_IN_FLIGHT, "judges": JUDGEMENTS_IN_FLIGHT}
    teams = {name: Team(begun[name], recipe, most[name], resources) for name, recipe in recipes.items()}
    order = Order(0, tuple(situations), config.measure.candidates, config.learning.seed)
    found = {}
    try:
        await_loaded([actor for actors in begun.values() for actor in actors], resources)
        for name in ("own", "learned"):
            production = Production(
                teams[name], teams["judges"], config.flow.call_prompts, config.flow.judge_batch
            )
            batch = production.make(order, Weighed(0, None))
            gained = proposed(batch.completions, batch.rewards, config.learning.weights)
            found[name] = summarise(gained, epsilon, np.random.default_rng(config.learning.seed))
    finally:
        for team in teams.values():
            team.end()
    return {"held_out": found}
