"""Sampling of completions from the policy, with the log-probabilities under the weights that sampled."""

from __future__ import annotations
