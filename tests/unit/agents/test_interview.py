"""Surveys put to models: what is asked, and how answers are read from probabilities."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from agents.cultures import Culture
from agents.interview import FrameSet, InterviewConfig, SurveyQuestion, interview
from agents.models.protocol import Generation, GenerationRequest, Score, ScoringRequest
from negotiation.errors import ConfigurationError, ModelError

CULTURE = Culture("here", "Here", "a place.")
TRUST = SurveyQuestion("trust", "Can most people be trusted?", ("Yes", "No"))
GOD = SurveyQuestion("god", "How important is God?", ("Not", "Somewhat", "Very"), (1.0, 2.0, 3.0))


class Opinionated:
    """Scores labels from a table, with a taste for the first option of the list and for short labels without a question."""

    name = "opinionated"

    def __init__(
        self, opinions: dict[str, float], first: float = 0.0, prior: dict[str, float] | None = None
    ) -> None:
        self.opinions, self.first, self.prior = opinions, first, prior or {}
        self.calls: list[Sequence[ScoringRequest]] = []

    def generate(self, requests: Sequence[GenerationRequest]) -> list[Generation]:
        raise AssertionError("a survey is not written")

    def score(self, requests: Sequence[ScoringRequest]) -> list[Score]:
        self.calls.append(requests)
        return [Score.of((self._logprob(request),)) for request in requests]

    def _logprob(self, request: ScoringRequest) -> float:
        asked = request.messages[1].content
        listed = [line[2:] for line in asked.split("\n") if line.startswith("- ")]
        has_question = TRUST.text in asked or GOD.text in asked
        opinion = self.opinions[request.text] if has_question else 0.0
        return opinion + self.prior.get(request.text, 0.0) + self.first * (listed[0] == request.text) - 10.0


def test_every_wording_and_order_is_asked_in_one_call() -> None:
    model = Opinionated({"Yes": 0.0, "No": 0.0})
    [answer] = interview(model, [TRUST], CULTURE, np.random.default_rng(0), config=InterviewConfig(orders=2))
    [requests] = model.calls
    frames = FrameSet.load()
    assert len(requests) == len(frames.frames) * 2 * 2
    assert answer.readings.shape == (6, 2)
    assert {request.messages[0].content for request in requests} == {
        "You speak for the Here cultural region: a place. Keep to its values and to the question."
    }
    asked = {request.messages[1].content for request in requests}
    both = [["Yes", "No"], ["No", "Yes"]]
    assert asked == {frames.ask(k, TRUST.text, order) for k in range(len(frames.frames)) for order in both}


def test_shares_are_the_softmax_of_the_labels() -> None:
    model = Opinionated({"Not": math.log(0.2), "Somewhat": math.log(0.5), "Very": math.log(0.3)})
    [answer] = interview(model, [GOD], CULTURE, np.random.default_rng(0))
    assert answer.shares.tolist() == pytest.approx([0.2, 0.5, 0.3])


def test_a_taste_for_the_first_place_cancels() -> None:
    model = Opinionated({"Yes": 0.0, "No": 0.0}, first=2.0)
    [answer] = interview(model, [TRUST], CULTURE, np.random.default_rng(0))
    assert answer.shares.tolist() == pytest.approx([0.5, 0.5])
    assert np.ptp(answer.readings[:, 0]) > 0.5  # though every single reading followed the order


def test_a_taste_for_a_label_cancels_against_the_prior() -> None:
    opinions, prior = {"Yes": math.log(0.7), "No": math.log(0.3)}, {"Yes": 5.0}
    plain, corrected = (
        interview(
            Opinionated(opinions, prior=prior), [TRUST], CULTURE, np.random.default_rng(0), config=config
        )[0]
        for config in (InterviewConfig(), InterviewConfig(against_prior=True))
    )
    assert plain.shares[0] > 0.99
    assert corrected.shares.tolist() == pytest.approx([0.7, 0.3])


def test_questions_of_several_sizes_keep_their_answers() -> None:
    opinions = {"Yes": 1.0, "No": 0.0, "Not": 2.0, "Somewhat": 1.0, "Very": 0.0}
    model = Opinionated(opinions)
    both = interview(model, [GOD, TRUST], CULTURE, np.random.default_rng(1), adapter="here")
    assert [answer.question for answer in both] == ["god", "trust"]
    assert both[0].shares[0] == pytest.approx(math.exp(2) / (math.exp(2) + math.e + 1))
    assert both[1].shares[0] == pytest.approx(math.e / (math.e + 1))
    assert {request.adapter for request in model.calls[0]} == {"here"}


def test_wrong_questions_and_models_are_told() -> None:
    with pytest.raises(ConfigurationError, match="two or more, all different"):
        SurveyQuestion("x", "?", ("Yes", "Yes"))
    with pytest.raises(ConfigurationError, match="no questions"):
        interview(Opinionated({}), [], CULTURE, np.random.default_rng(0))
    with pytest.raises(ModelError, match="option of question 'trust'"):
        interview(Opinionated({"Yes": math.nan, "No": 0.0}), [TRUST], CULTURE, np.random.default_rng(0))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "name: a\nversion: 1\noption: '{label}'\nframes: ['{question}']",
            "frame 0 uses the fields question;",
        ),
        ("name: a\nversion: 1\noption: '-'\nframes: ['{question} {options}']", "exactly the field label"),
        ("name: a\nversion: 1\noption: '{label}'\nframes: []", "frames"),
        ("name: [", "frames"),
    ],
)
def test_wrong_wordings_are_told(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "frames.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigurationError, match=message):
        FrameSet.load(path)
    with pytest.raises(ConfigurationError, match="No such file"):
        FrameSet.load(tmp_path / "none.yaml")
