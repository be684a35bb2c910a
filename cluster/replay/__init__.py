"""``concordat replay``: published negotiations set on their meta-games again."""
