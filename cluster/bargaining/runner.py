"""RLlib's environment runner with leaner metrics.

The stock runner writes some fifteen smoothed metrics for every episode, and counters for every move. In games of two or three
moves that takes longer than playing them; means over a call say the same here.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from ray.rllib.env.multi_agent_env_runner import MultiAgentEnvRunner
from ray.rllib.utils.metrics import (
    EPISODE_AGENT_RETURN_MEAN,
    NUM_ENV_STEPS_SAMPLED,
    NUM_ENV_STEPS_SAMPLED_LIFETIME,
    NUM_EPISODES,
    NUM_EPISODES_LIFETIME,
)


class LeanRunner(MultiAgentEnvRunner):  # type: ignore[misc]  # RLlib is partly typed
    """Tells the mean return of every learner, and moves and episodes, once a call."""

    _moves = 0

    def get_metrics(self) -> Any:
        """Metrics since the last call."""
        returns: dict[str, list[float]] = defaultdict(list)
        for episode in self._done_episodes_for_metrics:
            for agent, one in episode.agent_episodes.items():
                returns[agent].append(float(one.get_return()))  # payoffs come with the last move
        for agent, values in returns.items():
            self.metrics.log_value((EPISODE_AGENT_RETURN_MEAN, agent), sum(values) / len(values), window=1)
        episodes = len(self._done_episodes_for_metrics)
        for name, lifetime, count in (
            (NUM_ENV_STEPS_SAMPLED, NUM_ENV_STEPS_SAMPLED_LIFETIME, self._moves),
            (NUM_EPISODES, NUM_EPISODES_LIFETIME, episodes),
        ):
            self.metrics.log_value(name, count, reduce="sum")
            self.metrics.log_value(lifetime, count, reduce="lifetime_sum")
        self._moves = 0
        self._done_episodes_for_metrics.clear()
        self._ongoing_episodes_for_metrics.clear()
        return self.metrics.reduce()

    def _increase_sampled_metrics(self, num_steps: int, next_obs: Any, episode: Any) -> int:
        self._moves += num_steps
        return num_steps
