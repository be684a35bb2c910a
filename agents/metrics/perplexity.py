"""How well each side takes to the others' words: the perplexity of a statement under another side's agent.

Teacher-forced: one forward pass over the other's statement, behind a dialogue in which the agent was asked the question, has
said its own opening, and is asked again. Neither the statement nor any other word of its author is in the dialogue.
Perplexity is of the text's tokens under that agent; lower means that the agent would rather say it itself.

The variant ``echo`` shows the statement in the dialogue and asks for it to be repeated. It measures copying, and exists only to
reproduce published figures.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import permutations
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from agents.cultures import Culture
from agents.models.protocol import LanguageModel, Message, ScoringRequest
from agents.prompts import PromptSet
from negotiation.errors import ConfigurationError, ModelError
from negotiation.outcome import Outcome

Variant = Literal["teacher-forced", "echo"]
VARIANTS: tuple[Variant, ...] = get_args(Variant)

ECHO = "Repeat this text word for word: {text}"
"""What the echo variant asks."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Voice:
    """Who scores for a culture.

    Attributes:
        culture: shown in the prompt.
        model: that scores.
        adapter: its adapter; None for the bare model.
    """

    culture: Culture
    model: LanguageModel
    adapter: str | None


@dataclass(frozen=True, slots=True)
class Surprise:
    """Log-perplexities of one negotiation, nats a token.

    Attributes:
        opening: (N, N) entry [i, j] of the opening of j under agent i; NaN on the diagonal.
        consensus: (N, N) the same of the consensus statements.
    """

    opening: Floats
    consensus: Floats


def scoring_request(
    voice: Voice,
    topic: str,
    own: str,
    text: str,
    *,
    prompts: PromptSet,
    max_words: int,
    variant: Variant = "teacher-forced",
) -> ScoringRequest:
    """One text to be scored as the next words of an agent.

    Args:
        voice: of the agent.
        topic: the question.
        own: its opening statement.
        text: the other's statement.
        prompts: how the question is put.
        max_words: named in the prompt.
        variant: see the head of this file.

    Raises:
        ConfigurationError: if there is no such variant.
    """
    speaker, asked = prompts.position(voice.culture, topic, max_words)
    if variant == "echo":
        return ScoringRequest((speaker, Message("user", ECHO.replace("{text}", text))), text, voice.adapter)
    if variant != "teacher-forced":
        raise ConfigurationError(f"perplexity variant is {variant!r}; known are {', '.join(VARIANTS)}")
    return ScoringRequest((speaker, asked, Message("assistant", own), asked), text, voice.adapter)


def surprises(
    outcomes: Sequence[Outcome],
    voices: Mapping[str, Voice],
    *,
    prompts: PromptSet | None = None,
    max_words: int = 100,
    variant: Variant = "teacher-forced",
) -> list[Surprise | str]:
    """Score every statement under every other side's agent, all of them together.

    Args:
        outcomes: n negotiations.
        voices: by culture.
        prompts: the shipped set if None.
        max_words: named in the prompts.
        variant: see the head of this file.

    Returns:
        n entries; where a side has no voice or its model cannot take a text, the reason.

    Raises:
        ModelServerError: if a model is out of reach.
    """
    prompts = PromptSet.load() if prompts is None else prompts
    found: list[Surprise | str] = []
    jobs: list[_Job] = []
    for number, outcome in enumerate(outcomes):
        n = len(outcome.players)
        unvoiced = [player for player in outcome.players if player not in voices]
        if unvoiced:
            found.append(f"no model speaks for {', '.join(unvoiced)}")
            continue
        told = Surprise(np.full((n, n), np.nan), np.full((n, n), np.nan))
        found.append(told)
        for i, j in permutations(range(n), 2):
            voice, own = voices[outcome.players[i]], outcome.openings[i]
            for matrix, texts in ((told.opening, outcome.openings), (told.consensus, outcome.consensus)):
                request = scoring_request(
                    voice,
                    outcome.topic.text,
                    own,
                    texts[j].strip(),
                    prompts=prompts,
                    max_words=max_words,
                    variant=variant,
                )
                jobs.append(_Job(number, matrix, i, j, voice.model, request))
    for model in {id(job.model): job.model for job in jobs}.values():
        mine = [job for job in jobs if job.model is model]
        for job, score in zip(mine, _scores(model, [job.request for job in mine]), strict=True):
            if isinstance(score, str):
                found[job.number] = score
            else:
                job.matrix[job.scorer, job.author] = score
    return found


@dataclass(frozen=True, slots=True)
class _Job:
    """A score that is wanted, and where it belongs."""

    number: int
    matrix: Floats
    scorer: int
    author: int
    model: LanguageModel
    request: ScoringRequest


def _scores(model: LanguageModel, requests: Sequence[ScoringRequest]) -> list[float | str]:
    """Nats a token of each, or why it has none: a text that is too long for the model takes no other with it."""
    try:
        return [score.nats_per_token for score in model.score(requests)]
    except ModelError as error:
        if len(requests) == 1:
            return [str(error)]
    middle = len(requests) // 2
    return _scores(model, requests[:middle]) + _scores(model, requests[middle:])


def acceptance_distance(log_perplexities: Floats, *, log: bool = False) -> float:
    """``D = |PPL_a(y_b) - PPL_b(y_a)|`` (NCN section 4.2), mean over pairs of sides.

    Args:
        log_perplexities: (N, N) entry [i, j] nats a token of the statement of j under agent i.
        log: of log-perplexities, on which a single odd text weighs less, instead of perplexities.

    Returns:
        At least 0; lower means that both sides take equally well to each other's words, which may be equally badly.

    >>> round(acceptance_distance(np.log(np.array([[1, 7.0], [4.0, 1]]))), 9)
    3.0
    """
    shown = log_perplexities if log else np.exp(log_perplexities)
    rows, columns = np.triu_indices(len(shown), 1)
    return float(np.abs(shown[rows, columns] - shown[columns, rows]).mean())


def mean_surprise(log_perplexities: Floats) -> float:
    """Mean nats a token of the others' statements, over all ordered pairs of sides; lower is better accepted."""
    n = len(log_perplexities)
    return float(log_perplexities[~np.eye(n, dtype=bool)].mean())
