"""The value rewriter: moves a text to a target value vector and keeps its meaning. Nothing is public here yet."""
