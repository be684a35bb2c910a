"""``concordat chat``: asks what a server serves, from a terminal."""
