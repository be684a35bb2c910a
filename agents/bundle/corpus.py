"""From published negotiations to training dialogues in the chat format that the prompts use.

The published runs (``negotiations.parquet``) give, for each side of a negotiation, an opening statement, the guidelines it
added with their weights by round, a speech with each, and the consensus statement. Each becomes the answer to the prompt that
a culture agent is sent in the same situation:

==================  ==========================================  ==================================================
task                prompt                                      answer
==================  ==========================================  ==================================================
position            topic                                       opening statement
first_guideline     topic, own opening statement                the side's guideline nearest to its opening
candidate           topic, both pools with weights, a kind      the guideline that was added next
weights             topic, own pool with weights                the speech of that round
consensus           topic, own opening, both pools              the consensus statement
==================  ==========================================  ==================================================

Departures from the published runs, all because of what was released:

- The full text of first guidelines was not released. The prompt of ``first_guideline`` is answered with the guideline of
  that side whose logged consistency with the first one is highest.
- Kinds were not released. They are told from the words of the guideline (``kind_of``), a weak label.
- Half of a uniform distribution was mixed into the published weights; ``unmixed`` takes it out again. The speeches were
  written in view of the mixture and speak of guidelines that hold nothing without it, so ``weights`` keeps it.
- Agents were told no figures of their people. Adapters learn every dialogue with the shipped ones in its system message too
  (``grounded``), as agents see them by default; the base, which is nobody's agent, learns it without.
- Guidelines were asked for without the topic. Those that are nearer to fewer than half of the other topics than to their own
  are left out (``on_topic``), since a model trained on the others would speak beside the question.

Topics, not rows, are split into training and validation.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from agents.cultures import Culture, Portrait, get_culture
from agents.grounding import portrait
from agents.models.protocol import Message
from agents.prompts import CandidateKind, PromptSet, WeightedGuideline
from agents.survey.shipped import shipped_profiles
from agents.templates import one_line
from negotiation.errors import ConfigurationError

Task = Literal["position", "first_guideline", "candidate", "weights", "consensus"]
TASKS: tuple[Task, ...] = get_args(Task)

STATEMENT_WORDS = 100
"""The bound on statements (NCN section 3.4)."""
WORDS_STEP = 50
"""The baselines' openings are longer; the bound named in their prompts is their length rounded up to a multiple of this."""

_CULTURES = {
    "English_Speaking": "english-speaking",
    "Protestant_Europe": "protestant-europe",
    "Catholic_Europe": "catholic-europe",
    "Orthodox_Europe": "orthodox-europe",
    "Confucian": "confucian",
    "West_and_South_Asia": "west-south-asia",
    "African_Islamic": "african-islamic",
    "Latin_America": "latin-america",
}

_KIND_WORDS: tuple[tuple[CandidateKind, re.Pattern[str]], ...] = (
    (
        "complementary",
        re.compile(r"\bgaps?\b|complement|\black|missing|overlook|supplement|neglect|\bfill", re.I),
    ),
    (
        "innovative",
        re.compile(r"balanc|refram|innovat|perspective|bridg|integrat|common ground|reconcil|synerg", re.I),
    ),
    (
        "adversarial",
        re.compile(r"challeng|counter|contrast|undermin|weaken|critiq|flaw|attack|oppos|expos", re.I),
    ),
)


@dataclass(frozen=True, slots=True)
class Example:
    """One dialogue and the answer to learn.

    Attributes:
        task: what is asked.
        culture: id of the culture that answers.
        topic_id: id of the topic in the published data; examples are split by it.
        topic: the question.
        messages: the system and the user message.
        answer: the reply, one paragraph or the three lines of a guideline.
    """

    task: Task
    culture: str
    topic_id: int
    topic: str
    messages: tuple[Message, ...]
    answer: str


@dataclass(frozen=True, slots=True)
class Corpus:
    """Training and validation examples of disjoint topics."""

    training: tuple[Example, ...]
    validation: tuple[Example, ...]


Embed = Callable[[Sequence[str]], NDArray[np.float64]]
"""Texts to (n, D) unit rows."""


def load_corpus(
    data: Path,
    embed: Embed,
    *,
    validation_share: float = 0.1,
    seed: int = 0,
    prompts: PromptSet | None = None,
) -> Corpus:
    """Read ``negotiations.parquet`` of a folder and build the examples.

    Args:
        data: folder that holds ``negotiations.parquet``.
        embed: sentence embedder that tells which guidelines keep to their topic.
        validation_share: share of the topics that is held out, in (0, 1).
        seed: of the choice of held-out topics.
        prompts: the prompt set; the default one if None.

    Raises:
        ConfigurationError: if the file is missing or lacks a column.
    """
    path = data / "negotiations.parquet"
    if not path.is_file():
        raise ConfigurationError(
            f"data {data}: no file negotiations.parquet in it; give the folder that holds it"
        )
    rows: list[dict[str, Any]] = pq.read_table(path).to_pylist()
    missing = {"method", "culture_a", "topic_id", "topic", "initial_a", "turns"} - set(rows[0])
    if missing:
        raise ConfigurationError(f"data {path}: lacks the columns {', '.join(sorted(missing))}")
    out = held_out_topics((int(row["topic_id"]) for row in rows), validation_share, seed)
    kept = _guidelines_on_topic(rows, embed)
    unique = dict.fromkeys(
        example for row in rows for example in _row_examples(row, kept, prompts or PromptSet.load())
    )
    return Corpus(
        training=tuple(example for example in unique if example.topic_id not in out),
        validation=tuple(example for example in unique if example.topic_id in out),
    )


def held_out_topics(topic_ids: Iterable[int], share: float = 0.1, seed: int = 0) -> frozenset[int]:
    """The topics that nothing is trained on: with the defaults, those that the bundled model has not seen.

    Whatever is trained on texts of the same topics (detector, rewriter) leaves out the same ones, so that held-out means
    unseen by all of them.

    Args:
        topic_ids: of all rows, in any order and number.
        share: of the topics to hold out, in (0, 1); at least one is.
        seed: of the choice.

    >>> sorted(held_out_topics([3, 1, 2, 3], share=0.3))
    [3]
    """
    topics = sorted(set(topic_ids))
    drawn = np.random.default_rng(seed).permutation(topics)[: max(1, round(share * len(topics)))]
    return frozenset(drawn.tolist())


def grounded(examples: Sequence[Example], prompts: PromptSet | None = None) -> list[Example]:
    """The examples with what surveys found of their culture's people in the system message, as agents see it by default.

    Args:
        examples: of any cultures.
        prompts: the prompt set; the default one if None.

    Raises:
        CultureError: if a culture is none of those that ship with profiles.
    """
    prompts = prompts or PromptSet.load()
    profiles = shipped_profiles()
    speakers = {
        name: prompts.speaker(replace(get_culture(name), portrait=portrait(profiles[name])))
        for name in {example.culture for example in examples}
    }
    return [
        replace(example, messages=(speakers[example.culture], *example.messages[1:])) for example in examples
    ]


def prompt_fingerprint(prompts: PromptSet | None = None) -> str:
    """SHA-256 of the prompts of all tasks for one made-up case: a model speaks well only in answer to those it was trained on.

    Args:
        prompts: the prompt set; the default one if None.
    """
    prompts = prompts or PromptSet.load()
    culture = Culture("here", "Here", "a place.")
    own = [WeightedGuideline(0.75, "A", "why", "what"), WeightedGuideline(0.25, "B", "")]
    opponents = [("There", own[:1])]
    dialogues = [
        prompts.position(culture, "Question?", 100),
        prompts.first_guideline(culture, "Question?", "Position."),
        *(prompts.candidate(culture, "Question?", opponents, own, kind) for kind in get_args(CandidateKind)),
        prompts.weights(culture, "Question?", own, 100),
        prompts.consensus(culture, "Question?", "Position.", opponents, own, 100),
    ]
    told = replace(culture, portrait=Portrait((("Power", -0.5), ("Security", 0.25)), 1.0, -1.0))
    texts = [message.content for dialogue in dialogues for message in dialogue]
    texts.append(prompts.speaker(told).content)
    texts.append(prompts.reply("A", "why", "what"))
    return hashlib.sha256(json.dumps(texts).encode()).hexdigest()


def unmixed(weights: Mapping[str, float]) -> dict[str, float]:
    """Take half of a uniform distribution out of published weights: ``w' = max(0, 2 w - 1/K)``, renormalised.

    >>> unmixed({"a": 0.75, "b": 0.25})
    {'a': 1.0, 'b': 0.0}
    """
    raw = {content: max(0.0, 2.0 * weight - 1.0 / len(weights)) for content, weight in weights.items()}
    total = sum(raw.values())
    return {content: value / total for content, value in raw.items()} if total > 0.0 else dict(weights)


def kind_of(text: str) -> CandidateKind:
    """The kind of candidate that a guideline's words speak of most; innovative if they speak of none.

    >>> kind_of("It directly challenges the other side and exposes its weakness.")
    'adversarial'
    """
    counts = {kind: len(pattern.findall(text)) for kind, pattern in _KIND_WORDS}
    best = max(counts, key=lambda kind: counts[kind])
    return best if counts[best] else "innovative"


def on_topic(
    texts: NDArray[np.float64], topics: NDArray[np.float64], own: NDArray[np.intp]
) -> NDArray[np.float64]:
    """Share of the other topics that are less similar to each text than its own topic; chance is 0.5, higher is better.

    Args:
        texts: (n, D) unit rows.
        topics: (T, D) unit rows, T >= 2.
        own: (n,) index of each text's topic.

    Returns:
        (n,) in [0, 1].
    """
    similarity = texts @ topics.T
    mine = similarity[np.arange(len(texts)), own][:, None]
    share: NDArray[np.float64] = (similarity < mine).sum(axis=1) / (len(topics) - 1)
    return share


def _guidelines_on_topic(rows: Sequence[Mapping[str, Any]], embed: Embed) -> set[tuple[int, str]]:
    """Pairs (topic id, guideline text) that are nearer to their topic than to half of the others."""
    topics = {int(row["topic_id"]): str(row["topic"]) for row in rows}
    order = {topic_id: place for place, topic_id in enumerate(topics)}
    pairs = sorted(
        {(int(row["topic_id"]), _guideline_text(turn)) for row in rows for turn in row["turns"] or ()}
    )
    shares = on_topic(
        embed([text for _, text in pairs]),
        embed(list(topics.values())),
        np.array([order[topic_id] for topic_id, _ in pairs]),
    )
    return {pair for pair, share in zip(pairs, shares, strict=True) if share >= 0.5}


def _guideline_text(turn: Mapping[str, Any]) -> str:
    return f"{turn['content']}. {turn['reason']} {turn['description']}"


def _row_examples(
    row: Mapping[str, Any], kept: set[tuple[int, str]], prompts: PromptSet
) -> Iterator[Example]:
    for side, other in (("a", "b"), ("b", "a")):
        opening = row[f"initial_{side}"]
        if not opening:
            continue
        if row["method"] == "psro":
            yield from _side_examples(row, side, other, kept, prompts)
        else:
            culture = get_culture(_CULTURES[row[f"culture_{side}"]])
            words = WORDS_STEP * math.ceil(len(opening.split()) / WORDS_STEP)
            messages = prompts.position(culture, row["topic"], words)
            yield _example("position", culture, row, messages, opening)


def _side_examples(
    row: Mapping[str, Any], side: str, other: str, kept: set[tuple[int, str]], prompts: PromptSet
) -> Iterator[Example]:
    """What one side of a published PSRO run wrote, in order."""
    culture = get_culture(_CULTURES[row[f"culture_{side}"]])
    opponent = get_culture(_CULTURES[row[f"culture_{other}"]]).name
    topic = row["topic"]
    opening = one_line(row[f"initial_{side}"])
    pools = {name: _pools_by_round(row, name) for name in (side, other)}
    mixed = _pools_by_round(row, side, mixed=True)
    turns = [turn for turn in row["turns"] if turn["side"] == side]
    yield _example("position", culture, row, prompts.position(culture, topic, STATEMENT_WORDS), opening)
    nearest = max(turns, key=lambda turn: turn["consistency"] or 0.0, default=None)
    if nearest and (row["topic_id"], _guideline_text(nearest)) in kept:
        yield _example(
            "first_guideline",
            culture,
            row,
            prompts.first_guideline(culture, topic, opening),
            prompts.reply(nearest["content"], nearest["reason"], nearest["description"]),
        )
    for turn in turns:
        before = turn["round"] - 1
        if (row["topic_id"], _guideline_text(turn)) in kept:
            kind = kind_of(f"{turn['reason']} {turn['description']}")
            theirs = [(opponent, _held(pools[other], before))]
            messages = prompts.candidate(culture, topic, theirs, _held(pools[side], before), kind)
            answer = prompts.reply(turn["content"], turn["reason"], turn["description"])
            yield _example("candidate", culture, row, messages, answer)
        if turn["speech"]:
            messages = prompts.weights(culture, topic, _held(mixed, turn["round"]), STATEMENT_WORDS)
            yield _example("weights", culture, row, messages, turn["speech"])
    if row[f"consensus_{side}"]:
        last = max((turn["round"] for turn in row["turns"]), default=0)
        theirs = [(opponent, _held(pools[other], last))]
        own = _held(pools[side], last)
        messages = prompts.consensus(culture, topic, opening, theirs, own, STATEMENT_WORDS)
        yield _example("consensus", culture, row, messages, row[f"consensus_{side}"])


def _example(
    task: Task, culture: Culture, row: Mapping[str, Any], messages: tuple[Message, ...], answer: str
) -> Example:
    text = answer.strip() if task in ("first_guideline", "candidate") else one_line(answer.replace("**", ""))
    return Example(task, culture.id, int(row["topic_id"]), row["topic"], messages, text)


def _pools_by_round(
    row: Mapping[str, Any], side: str, *, mixed: bool = False
) -> list[list[WeightedGuideline]]:
    """The pool of one side after each round, weights ``unmixed`` or as published; round 0 is its first guideline alone."""
    turns = sorted((turn for turn in row["turns"] if turn["side"] == side), key=lambda turn: turn["round"])
    known = {turn["content"]: (turn["reason"], turn["description"]) for turn in turns}
    first = turns[0]["weights"][0]["content"] if turns else ""
    pools = [[WeightedGuideline(1.0, first, "")] if first else []]
    for turn in turns:
        published = {entry["content"]: entry["weight"] for entry in turn["weights"]}
        weights = published if mixed else unmixed(published)
        pools.append(
            [
                WeightedGuideline(weight, content, *known.get(content, ("", "")))
                for content, weight in weights.items()
            ]
        )
    return pools


def _held(pools: Sequence[list[WeightedGuideline]], after_round: int) -> list[WeightedGuideline]:
    """The pool after a round, or after the last one before it that the side took part in."""
    return pools[min(after_round, len(pools) - 1)]
