"""Published negotiations, read and set on their meta-games again."""
