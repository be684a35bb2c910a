"""Cultures, the language models that speak for them, and the topics they negotiate.

Importing this package loads no language-model library; the models themselves are in ``agents.models``.
"""

from agents.cultures import Culture, check_cultures, get_culture, load_cultures
from agents.topics import EXAMPLE_TOPICS, MAX_TOPIC_CHARS, load_topics, topic_from_text
from agents.values import SCHWARTZ_VALUES, ValueProfile

__all__ = [
    "Culture",
    "check_cultures",
    "get_culture",
    "load_cultures",
    "EXAMPLE_TOPICS",
    "MAX_TOPIC_CHARS",
    "load_topics",
    "topic_from_text",
    "SCHWARTZ_VALUES",
    "ValueProfile",
]
