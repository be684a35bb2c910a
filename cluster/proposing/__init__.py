"""Ray shells of the learned oracle: its training on the situations of a run."""
