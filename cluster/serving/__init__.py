"""The consensus policies as a server: an endpoint in OpenAI's form, one of its own, and a page."""
