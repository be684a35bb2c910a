"""Survey items and scripted language models for the tests of training text."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from agents.models.protocol import Generation, GenerationRequest, Score, ScoringRequest
from agents.survey.codebook import Item
from agents.survey.profile import AnswerShares
from agents.voices.rows import Answered


def survey_item(name: str, *options: str) -> Item:
    labels = options or ("Very important", "Rather important", "Not important")
    return Item(
        id=name,
        question=f"How important is {name} in your life?",
        category="family",
        measures=name,
        direction=-1,
        options=labels,
        variables={},
    )


def answered(name: str, *shares: float) -> Answered:
    found = AnswerShares(item=name, shares=shares or (0.5, 0.3, 0.2), respondents=100, source="WVS 7")
    return Answered(survey_item(name), found)


def honest(request: GenerationRequest) -> str:
    """A reply that keeps the option, with the seed in it so that no two are the same."""
    lines = request.messages[1].content.splitlines()
    option = lines[2].removeprefix("A person from this region answered: ")
    return f"Question: What counts, {request.seed}?\nAnswer: We find it {option.lower()}."


def reads(request: ScoringRequest) -> float:
    """Log-probability of a label: high where the dialogue shows it in lower case, as ``honest`` writes it."""
    shown = request.messages[1].content.partition("The reply: ")[2]
    return -1.0 if f" {request.text.lower()}." in shown else -5.0


@dataclass
class ScriptedModel:
    """A language model that replies and scores by rule, and keeps count of its calls."""

    reply: Callable[[GenerationRequest], str] = honest
    logprob: Callable[[ScoringRequest], float] = reads
    finish: str = "stop"
    name: str = "scripted"
    generated: list[int] = field(default_factory=list)
    scored: list[int] = field(default_factory=list)
    asked: list[GenerationRequest] = field(default_factory=list)

    def generate(self, requests: Sequence[GenerationRequest]) -> list[Generation]:
        self.generated.append(len(requests))
        self.asked += requests
        return [Generation(self.reply(request), 10, 20, self.finish, 0.0) for request in requests]  # type: ignore[arg-type]

    def score(self, requests: Sequence[ScoringRequest]) -> list[Score]:
        self.scored.append(len(requests))
        return [Score.of((self.logprob(request),)) for request in requests]
