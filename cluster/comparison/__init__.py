"""``concordat evaluate run`` and ``concordat export``: what runs came to, measured, compared, and as preference data."""
