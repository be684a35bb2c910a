"""Ray shells of the rewriter: actors, training, and the commands that use them."""
