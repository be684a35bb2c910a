"""Proximal policy optimisation (Schulman et al. 2017) of RLlib as the oracle of policy-space response.

One algorithm serves all iterations of the loop and all players: a module a player, and episodes that train one player each
(``environment.py``). At each call the modules start anew, learn for a fixed number of moves against the present mixtures, and
are read out at every information state, so that an answer is a table like any other.
"""

from __future__ import annotations

import copy
import os
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from ray.rllib.algorithms.ppo import PPO, PPOConfig
from ray.rllib.core.rl_module.multi_rl_module import MultiRLModuleSpec
from ray.rllib.core.rl_module.rl_module import RLModuleSpec

from cluster.bargaining.config import LearningConfig
from cluster.bargaining.environment import Book, ResponseEnv, agent_name, books_of
from cluster.bargaining.module import MaskedPolicy, masked
from cluster.bargaining.runner import LeanRunner
from negotiation.bargaining.psro import GAIN, Situation
from negotiation.bargaining.tree import GameTree
from negotiation.errors import GameError

Array = NDArray[np.float64]

MOST_DOUBLINGS = 3
"""How often the length of learning is doubled at most."""

_LEARNER, _START_OF_LEARNER = "learner", ("rl_module", "optimizer")
_START = [f"{_LEARNER}/{name}" for name in _START_OF_LEARNER]


class RLlibOracle:
    """Learned best responses; a context manager, since it holds actors.

    Ray must run. Environments are actors of their own if ``config.env_runners`` is positive.

    Args:
        tree: the game.
        config: how to learn.
        module: to be imported by every process because it registers the game; none for OpenSpiel's own games.
        seed: of networks and environments.

    Raises:
        GameError: if the game has no information state tensors, or a player never moves.
    """

    name = "rllib"

    def __init__(
        self, tree: GameTree, config: LearningConfig, module: str | None = None, seed: int = 0
    ) -> None:
        for player, side in enumerate(tree.sides):
            if not side.names or not side.tensors.shape[1]:
                raise GameError(
                    f"player {player} of {tree.game} has no information states or no tensors of them"
                )
        self.config, self.patience = config, config.patience
        self._tree = tree
        self._idle = 0
        self.moves = 0
        """Learners' moves so far."""
        self.history: list[dict[str, float]] = []
        """Mean return of each player's learner, a line for each training iteration."""
        self._algorithm: PPO = _settings(tree, config, module, seed).build_algo()
        # Weights and optimisers alone: with its count of updates, environments would take it for older than theirs.
        state = self._algorithm.learner_group.get_state(components=_START)
        self._start = copy.deepcopy({_LEARNER: {name: state[_LEARNER][name] for name in _START_OF_LEARNER}})

    def respond(self, situation: Situation) -> Sequence[Array]:
        """A pure strategy a player: the learned policy's likeliest action at each information state.

        Of the policies after each training iteration, and of the sums of their logits so far, which are less at the mercy of
        the last plays, that is the one of most exact value against the mixtures. Where nobody gained at the last call, this one
        learns twice as long: what is left to be gained late in the loop is small beside the luck of single plays.
        """
        books = books_of(self._tree, situation.pools, situation.weights, self.config.tremble)
        group = self._algorithm.env_runner_group
        group.foreach_env_runner(_Handing(books), local_env_runner=True)
        self._algorithm.learner_group.set_state(self._start)
        group.sync_weights(from_worker_or_learner_group=self._algorithm.learner_group, inference_only=True)
        held = self._tree.payoffs(situation.mixtures)
        best = [(-np.inf, side.uniform()) for side in self._tree.sides]
        sums = [np.zeros(1) for _ in self._tree.sides]
        for _ in range(self.config.updates << self._idle):
            self._note(self._algorithm.train())
            for player in range(self._tree.players):
                logits = self._logits(player)
                sums[player] = sums[player] + logits
                for scores in (logits, sums[player]):
                    answer = self._likeliest(player, scores)
                    faced = [*situation.mixtures[:player], answer, *situation.mixtures[player + 1 :]]
                    value = float(self._tree.payoffs(faced)[player])
                    best[player] = max(best[player], (value, answer), key=lambda pair: pair[0])
        gained = any(value > now + GAIN for (value, _), now in zip(best, held, strict=True))
        self._idle = 0 if gained else min(self._idle + 1, MOST_DOUBLINGS)
        return [answer for _, answer in best]

    def _note(self, result: Any) -> None:
        found = result["env_runners"]
        self.moves += int(found.get("num_env_steps_sampled", 0))
        self.history.append({k: float(v) for k, v in found.get("agent_episode_returns_mean", {}).items()})

    def _logits(self, player: int) -> Array:
        """(information states, actions) of the game; of illegal actions far below all others."""
        side = self._tree.sides[player]
        module = self._algorithm.get_module(agent_name(player))
        mask = np.zeros((len(side.names), self._tree.game.num_distinct_actions()), np.float32)
        for i, actions in enumerate(side.actions):
            mask[i, list(actions)] = 1.0
        with torch.no_grad():
            found = masked(module.policy(torch.from_numpy(side.tensors)), torch.from_numpy(mask))
        return np.asarray(found.double().numpy(), dtype=np.float64)

    def _likeliest(self, player: int, logits: Array) -> Array:
        """The pure strategy of the greatest logit at each information state."""
        side = self._tree.sides[player]
        answer = np.zeros(side.sequences)
        for i, actions in enumerate(side.actions):
            answer[side.starts[i] + actions.index(int(logits[i].argmax()))] = 1.0
        return answer

    def processes(self) -> list[int]:
        """Ids of the processes that play, this one left out."""
        found = self._algorithm.env_runner_group.foreach_env_runner(_process, local_env_runner=False)
        return [process for process in found if process != os.getpid()]

    def close(self) -> None:
        """End its actors."""
        self._algorithm.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _process(runner: Any) -> int:
    return os.getpid()


class _Handing:
    """Gives books to all environments of a process; a class, since it travels to actors."""

    def __init__(self, books: tuple[Book, ...]) -> None:
        self._books = books

    def __call__(self, runner: Any) -> None:
        if runner.env is not None:
            for one in runner.env.unwrapped.envs:
                one.unwrapped.set_books(self._books)
            runner._needs_initial_reset = True  # no play goes on against the policies of before


def _settings(tree: GameTree, config: LearningConfig, module: str | None, seed: int) -> PPOConfig:
    uniform = [side.uniform() for side in tree.sides]
    books = books_of(tree, [[one] for one in uniform], [np.ones(1)] * tree.players, 0.0)
    names = [agent_name(i) for i in range(tree.players)]
    spec = RLModuleSpec(module_class=MaskedPolicy, model_config={"width": config.width})
    return (
        PPOConfig()
        .environment(
            ResponseEnv,
            env_config={"game": str(tree.game), "module": module, "seed": seed, "books": books},
            disable_env_checking=True,
        )
        .env_runners(
            env_runner_cls=LeanRunner,
            num_env_runners=config.env_runners,
            num_envs_per_env_runner=config.envs,
            num_cpus_per_env_runner=config.cpus_per_runner,
            # Complete episodes would throw away those that are longer than the first to end, and so favour short plays.
            batch_mode="truncate_episodes",
            rollout_fragment_length="auto",
            episodes_to_numpy=False,  # done at once by the learner; here it would be done anew at each step
        )
        .learners(num_learners=0)
        .multi_agent(policies=set(names), policy_mapping_fn=_module_of)
        .rl_module(rl_module_spec=MultiRLModuleSpec(rl_module_specs={name: spec for name in names}))
        .training(
            lr=config.lr,
            gamma=1.0,
            lambda_=1.0,
            train_batch_size_per_learner=config.batch,
            minibatch_size=config.minibatch,
            num_epochs=config.epochs,
            entropy_coeff=config.entropy,
            use_kl_loss=False,
            clip_param=config.clip,
            vf_clip_param=10.0,
            grad_clip=1.0,
        )
        .debugging(seed=seed, log_level="ERROR")
    )


def _module_of(agent: str, episode: Any, **_: Any) -> str:
    return agent
