"""Training of the rewriter: losses, advantages, policies and the loops that use them."""
