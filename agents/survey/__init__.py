"""Survey data: the user's own files read to answer distributions, value scores and culture profiles.

Nothing here imports torch, transformers or Ray.
"""
