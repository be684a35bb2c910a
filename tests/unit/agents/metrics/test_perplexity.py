"""Who takes to whose words, with a model whose scores are known."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest

from agents.cultures import get_culture
from agents.metrics.perplexity import Surprise, Voice, acceptance_distance, mean_surprise, surprises
from agents.models.protocol import Generation, GenerationRequest, Score, ScoringRequest
from negotiation.errors import ConfigurationError, ModelError
from tests.unit.agents.metrics.outcomes import outcome


class WordModel:
    """As many nats a token as the text has words; too long with more than ``most``. Keeps what it was asked."""

    name = "words"

    def __init__(self, most: int = 99) -> None:
        self.most = most
        self.asked: list[ScoringRequest] = []

    def generate(self, requests: Sequence[GenerationRequest]) -> list[Generation]:
        raise AssertionError

    def score(self, requests: Sequence[ScoringRequest]) -> list[Score]:
        if any(len(request.text.split()) > self.most for request in requests):
            raise ModelError("too long")
        self.asked += requests
        return [Score.of([-float(len(request.text.split()))]) for request in requests]


def voices(model: WordModel) -> dict[str, Voice]:
    return {name: Voice(get_culture(name), model, name) for name in ("english-speaking", "confucian")}


def test_each_scores_the_others_words_behind_its_own() -> None:
    model = WordModel()
    one = outcome(openings=("Mine.", "Theirs, longer."), consensus=("Ours now.", "All of ours now."))
    [found] = surprises([one], voices(model))
    assert isinstance(found, Surprise)
    assert found.opening[0, 1] == 2.0
    assert found.opening[1, 0] == 1.0
    assert found.consensus[0, 1] == 4.0
    assert found.consensus[1, 0] == 2.0
    assert np.isnan(np.diag(found.opening)).all()
    request = model.asked[0]
    assert request.adapter == "english-speaking"
    assert request.text == "Theirs, longer."
    assert [message.role for message in request.messages] == ["system", "user", "assistant", "user"]
    assert request.messages[2].content == "Mine."
    for asked in model.asked:  # teacher-forced: never on itself
        assert all(asked.text not in message.content for message in asked.messages)


def test_the_echo_variant_shows_the_text_and_is_chosen_by_name() -> None:
    model = WordModel()
    surprises([outcome()], voices(model), variant="echo")
    assert all(asked.text in asked.messages[-1].content for asked in model.asked)
    with pytest.raises(ConfigurationError, match="echo"):
        surprises([outcome()], voices(model), variant="loud")  # type: ignore[arg-type]


def test_a_text_that_is_too_long_takes_no_other_with_it() -> None:
    model = WordModel(most=5)
    long = outcome("t2", consensus=("One two three four five six.", "Short."))
    found = surprises([outcome("t1"), long, outcome("t3")], voices(model))
    assert isinstance(found[0], Surprise)
    assert found[1] == "too long"
    assert isinstance(found[2], Surprise)


def test_a_side_without_a_voice_is_told() -> None:
    stranger = outcome(players=("english-speaking", "latin-america"))
    assert surprises([stranger], voices(WordModel())) == ["no model speaks for latin-america"]


def test_distances_by_hand() -> None:
    nan = math.nan
    logs = np.log(np.array([[nan, 8.0, 2.0], [4.0, nan, 3.0], [2.0, 6.0, nan]]))
    # |8 - 4|, |2 - 2|, |3 - 6|; on logs: log 2, 0, log 2
    assert acceptance_distance(logs) == pytest.approx(7 / 3)
    assert acceptance_distance(logs, log=True) == pytest.approx(2 * math.log(2) / 3)
    assert mean_surprise(logs) == pytest.approx(math.log(8 * 2 * 4 * 3 * 2 * 6) / 6)
    assert acceptance_distance(logs.T) == pytest.approx(acceptance_distance(logs))
