"""What a learned oracle gains over proposals alone at equal tokens, and whether its culture stays in character.

    python benchmarks/learned_oracle.py                   prints JSON
    python benchmarks/learned_oracle.py --out FILE.json   and writes it
    python benchmarks/learned_oracle.py --work DIR        keeps run, adapters and what is done there, and goes on from it
    python benchmarks/learned_oracle.py --only NAME ...   some trainings only, such as confucian-short

What is trained. Two cultures negotiate the shipped questions with the bundled model. For each an adapter learns by GRPO, as
``concordat train oracle`` does it, on what it saw in the rounds of two thirds of the topics; it begins with the culture's shipped
adapter, which is the reference of the divergence too.

What is measured, on the topics held out. A *move* is a player in a round: candidates of the three kinds are proposed, and the
best counts, by the game's utility less the best that the player holds already. (a) proposals alone, by the culture's own adapter,
n candidates; (b) the learned adapter, n candidates; (c) proposals alone with as many tokens as the training and (b) took,
spread evenly over the moves. All sample as agents do. Intervals are over topics, differences paired by topic.

In character: the divergence from the own adapter, nats a token, on proposals at temperature 1; which of the eight shipped
adapters finds proposals likeliest; and the ten value portraits put to the model in the culture's name (``agents.interview``): how
far the learned adapter's answers are from the own adapter's, beside those of the other cultures' adapters, and how far either is
from the people (``benchmarks.culture_adapters`` says by what assumption).
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agents.intervals import bootstrap, sign_flip_p_value
from benchmarks.provenance import print_or_keep, provenance
from rewriter.proposing.measure import Proposed, by_topic, proposed
from rewriter.proposing.situations import Situation

CULTURES = ("confucian", "latin-america")
HELD_OUT = 1 / 3
PROMPTS, GROUP = 4, 8
LENGTHS = {"short": (24, 1e-3), "long": (40, 2e-3)}
"""Steps and peak learning rate of a training; five and eight minutes of one core."""

TRAININGS = {f"{culture}-{length}": (culture, length) for length in LENGTHS for culture in CULTURES}

PER_KIND = (1, 2, 4)
"""Candidates of each kind of (a) and (b)."""

CHUNK = 64
"""Candidates that are sampled together at most for a situation."""

CHARACTER_SITUATIONS = 18
"""Situations whose proposals at temperature 1 tell the divergence."""


def learned_config(run: Path, name: str, work: Path, seed: int) -> Any:
    """A training's configuration, as the command line would make it."""
    from cluster.proposing.config import oracle_training_config

    culture, length = TRAININGS[name]
    steps, rate = LENGTHS[length]
    return oracle_training_config(
        {"run": run, "culture": culture, "work": work, "out": work / "adapter", "held_out": HELD_OUT}
        | {"steps": steps, "prompts_per_step": PROMPTS, "group": GROUP, "learning_rate": rate, "seed": seed}
    )


def negotiated(run: Path, seed: int) -> None:
    """Negotiate the shipped questions, unless that is done."""
    from cluster.cli import run_command

    if (run / "metrics.json").is_file():
        return
    arguments = ["negotiate", "--cultures", *CULTURES, "--topics", "examples", "--out", str(run), "--serial"]
    status = run_command([*arguments, "--seed", str(seed)])
    if status:
        raise SystemExit(f"the run {run} failed with status {status}")


def train(config: Any, situations: Sequence[Situation]) -> dict[str, Any]:
    """Train in this process, or go on; gives the curve's ends and the tokens that were written."""
    from agents.tuning.curves import read_events
    from rewriter.learning.loop import learn_from_rewards

    began = time.process_time()
    policy, judge = _policy(config, config.start), _judge(config)

    def told(figures: Any) -> None:
        rewards = {name: round(value, 3) for name, value in figures.rewards.items()}
        print(f"{config.culture}: step {figures.step}: {rewards}, kl {figures.kl:.4f}", file=sys.stderr)

    learn_from_rewards(policy, situations, judge, config.learning, config.work, told=told)
    points = [event for event in read_events(config.work) if event["event"] == "progress"]
    ends = {"first": points[:6], "last": points[-6:]}
    names = ("reward_consistency", "reward_acceptance", "reward_novelty", "kl", "entropy", "length", "copied")
    return {
        "steps": len(points),
        "tokens": int(sum(point["tokens"] for point in points)),
        "cpu_s": time.process_time() - began,
        **{
            end: {name: float(np.mean([point[name] for point in some])) for name in names}
            for end, some in ends.items()
        },
    }


def candidates(
    config: Any, adapter: Path, situations: Sequence[Situation], count: int, seed: int
) -> list[Proposed]:
    """So many candidates of an adapter in each situation, sampled as agents sample."""
    from agents.asking import SpeakingConfig
    from rewriter.learning.rollout import PolicyRollouts

    writer = PolicyRollouts(
        _policy(config, adapter),
        max_tokens=config.learning.max_tokens,
        temperature=SpeakingConfig().temperature,
    )
    judge = _judge(config)
    parts: list[list[Proposed]] = []
    for number, start in enumerate(range(0, count, CHUNK)):
        size = min(CHUNK, count - start)
        found = []
        for first in range(0, len(situations), 6):
            groups = list(enumerate(situations[first : first + 6], start=first))
            written = writer.write(groups, size, seed + number)
            found += proposed(written, judge.judge(written), config.learning.weights)
        parts.append(found)
        print(f"{config.culture}: {start + size} of {count} candidates of {adapter.name}", file=sys.stderr)
    return [
        Proposed(
            rows[0].situation,
            tuple(gain for row in rows for gain in row.gains),
            sum(row.copied for row in rows),
            sum(row.tokens for row in rows),
        )
        for rows in zip(*parts, strict=True)
    ]


def best_of_moves(found: Sequence[Proposed], per_kind: int | None) -> dict[str, float]:
    """Mean best gain of a topic's moves, with so many candidates of each kind, all if None."""
    moves: dict[tuple[str, int], list[float]] = {}
    for one in found:
        best = one.best(per_kind)
        key = (one.situation.negotiation_id, one.situation.view.round)
        moves.setdefault(key, [])
        if best is not None:
            moves[key].append(best)
    topics = {(s.negotiation_id, s.view.round): s.view.topic.id for s in (one.situation for one in found)}
    return by_topic([(topics[key], max(gains)) for key, gains in moves.items() if gains])


def compared(
    ways: Mapping[str, Sequence[Proposed]], epsilon: float, rng: np.random.Generator
) -> dict[str, Any]:
    """Gains by way and number of candidates, and the differences.

    Args:
        ways: candidates of ``own`` (a and c together: the first of them are a's) and of ``learned`` (b).
        epsilon: least gain that the game takes.
        rng: of the resampling.
    """
    told: dict[str, Any] = {"own": {}, "learned": {}, "difference": {}}
    for count in PER_KIND:
        gains = {name: best_of_moves(found, count) for name, found in ways.items()}
        for name, topics in gains.items():
            told[name][str(3 * count)] = asdict(bootstrap(np.array(list(topics.values())), rng))
        told["difference"][str(3 * count)] = _difference(gains["learned"], gains["own"], rng)
    means = {
        name: by_topic(
            [
                (one.situation.view.topic.id, gain)
                for one in found
                for gain in one.gains[: PER_KIND[-1]]
                if gain is not None
            ]
        )
        for name, found in ways.items()
    }
    told["mean_difference"] = _difference(means["learned"], means["own"], rng)
    many = best_of_moves(ways["own"], None)
    few = best_of_moves(ways["learned"], PER_KIND[-1])
    told["own_many"] = {"per_move": 3 * len(ways["own"][0].gains)} | asdict(
        bootstrap(np.array(list(many.values())), rng)
    )
    told["learned_less_many"] = _difference(few, many, rng)
    for name, found in ways.items():
        gains_of = [gain for one in found for gain in one.gains]
        usable = [gain for gain in gains_of if gain is not None]
        told[f"{name}_candidates"] = {
            "mean_gain": float(np.mean(usable)),
            "gaining": float(np.mean([gain is not None and gain >= epsilon for gain in gains_of])),
            "well_formed": len(usable) / len(gains_of),
            "copied": sum(one.copied for one in found) / len(gains_of),
            "tokens": sum(one.tokens for one in found) / len(gains_of),
        }
    return told


def _difference(left: Mapping[str, float], right: Mapping[str, float], rng: np.random.Generator) -> Any:
    """Paired by topic."""
    both = sorted(left.keys() & right.keys())
    rows = np.array([left[topic] - right[topic] for topic in both])
    return asdict(bootstrap(rows, rng)) | {"p": sign_flip_p_value(rows, rng)}


def character(config: Any, situations: Sequence[Situation], seed: int) -> dict[str, Any]:
    """How far the learned adapter is from the culture's own one, beside the other cultures' adapters."""
    from agents.bundled import bundled_adapter_path, bundled_adapters
    from rewriter.learning.rollout import PolicyRollouts

    adapters = {name: bundled_adapter_path(name) for name in bundled_adapters()}
    written = {}
    for name, adapter in (("own", adapters[config.culture]), ("learned", config.out)):
        writer = PolicyRollouts(_policy(config, adapter), max_tokens=config.learning.max_tokens)
        written[name] = writer.write(list(enumerate(situations)), 4, seed)
    under: dict[str, dict[str, NDArray[np.float64]]] = {"own": {}, "learned": {}}
    for adapter_name, adapter in [*adapters.items(), ("learned", config.out)]:
        policy = _policy(config, adapter)
        for name, completions in written.items():
            under[name][adapter_name] = _scored(policy, completions)
    tokens = {
        name: np.array([len(one.tokens) for one in completions]) for name, completions in written.items()
    }
    others = [name for name in adapters if name != config.culture]

    def nats(name: str, adapter: str) -> float:
        return float(under[name][adapter].sum() / tokens[name].sum())

    likeliest = {
        name: [
            max(adapters, key=lambda other: float(rows[other][place])) for place in range(len(tokens[name]))
        ]
        for name, rows in under.items()
    }
    away = {other: nats("own", config.culture) - nats("own", other) for other in others}
    return {
        "kl_learned": nats("learned", "learned") - nats("learned", config.culture),
        "kl_others": {"mean": float(np.mean(list(away.values()))), "least": min(away.values())},
        "nats_a_token": {name: {adapter: -nats(name, adapter) for adapter in adapters} for name in under},
        "own_likeliest": {
            name: float(np.mean([one == config.culture for one in chosen]))
            for name, chosen in likeliest.items()
        },
        "replies": len(tokens["own"]),
        "portraits": _portraits(config, seed),
    }


def _scored(policy: Any, completions: Sequence[Any]) -> NDArray[np.float64]:
    """(N,) log-probability of each completion in nats, at temperature 1."""
    from rewriter.learning.rows import passes

    totals = np.zeros(len(completions))
    for part in passes(
        [one.prompt for one in completions], [one.tokens for one in completions], 4096, share=policy.shares
    ):
        scores = policy.scored(part).double().numpy()
        edges = np.cumsum((0, *part.lengths))
        for place, start, end in zip(part.places, edges[:-1], edges[1:], strict=True):
            totals[place] = scores[start:end].sum()
    return totals


def _portraits(config: Any, seed: int) -> dict[str, Any]:
    """Wasserstein-1 between answers to the ten portraits, means over the portraits with intervals."""
    from agents.bundled import bundled_transformers_config
    from agents.cultures import get_culture
    from agents.interview import InterviewConfig, interview, question_of
    from agents.models.config import BundledConfig
    from agents.models.transformers_model import TransformersModel
    from agents.survey.distance import wasserstein
    from benchmarks.culture_adapters import answers_of, portrait_items

    plain = bundled_transformers_config(BundledConfig())
    known = plain.adapters | {"learned": str(config.out)}
    model = TransformersModel(plain.model_copy(update={"adapters": known, "num_threads": 1}))
    items = portrait_items()
    questions = [question_of(item) for item in items.values()]
    shares = {
        name: [
            answer.shares.tolist()
            for answer in interview(
                model,
                questions,
                get_culture(config.culture),
                np.random.default_rng(seed),  # the same orders of options for all
                adapter=name,
                config=InterviewConfig(),
            )
        ]
        for name in known
    }
    people = [list(answers.shares) for answers in answers_of(config.culture, items).values()]
    rng = np.random.default_rng([seed, 1])

    def apart(left: Sequence[Sequence[float]], right: Sequence[Sequence[float]]) -> NDArray[np.float64]:
        return np.array([wasserstein(one, other, range(6)) for one, other in zip(left, right, strict=True)])

    own = shares[config.culture]
    others = [apart(shares[name], own) for name in plain.adapters if name != config.culture]
    to_people = {"own": apart(own, people), "learned": apart(shares["learned"], people)}
    return {
        "learned_from_own": asdict(bootstrap(apart(shares["learned"], own), rng)),
        "others_from_own": asdict(bootstrap(np.mean(others, axis=0), rng)),
        "nearest_other_from_own": float(min(rows.mean() for rows in others)),
        "own_from_people": asdict(bootstrap(to_people["own"], rng)),
        "learned_from_people": asdict(bootstrap(to_people["learned"], rng)),
        "learned_less_own": asdict(bootstrap(to_people["learned"] - to_people["own"], rng)),
    }


def _policy(config: Any, adapter: Path) -> Any:
    import torch

    from agents.prompts import PromptSet
    from cluster.rewriting.training_worker import make_policy
    from rewriter.proposing.situations import SituationPrompts

    torch.set_num_threads(1)
    prompts = SituationPrompts(PromptSet.load())
    return make_policy(config.model_copy(update={"start": adapter}), torch.device("cpu"), prompts)


def _judge(config: Any) -> Any:
    from cluster.proposing.training import make_judge

    return make_judge(config)


def measure(name: str, run: Path, work: Path, seed: int) -> dict[str, Any]:
    """Train one oracle and measure it; each part that is done is kept in the work folder."""
    from cluster.proposing.material import read_situations, spread

    config = learned_config(run, name, work, seed)
    material = read_situations(config)

    def once(part: str, make: Any) -> Any:
        file = work / f"{part}.json"
        if not file.is_file():
            file.write_text(json.dumps(make(), allow_nan=False), encoding="utf-8")
        return json.loads(file.read_text(encoding="utf-8"))

    work.mkdir(parents=True, exist_ok=True)
    trained = once("training", lambda: train(config, material.learned))
    most = PER_KIND[-1]

    def gains() -> dict[str, Any]:
        rng = np.random.default_rng([seed, 7])
        learned = candidates(config, config.out, material.held_out, most, seed)
        own = candidates(config, config.start, material.held_out, most, seed)
        each = sum(one.tokens for one in own) / (most * len(own))
        spent = trained["tokens"] + sum(one.tokens for one in learned)
        many = candidates(
            config, config.start, material.held_out, round(spent / (each * len(own))) - most, seed + 1000
        )
        whole = [
            Proposed(
                few.situation, few.gains + more.gains, few.copied + more.copied, few.tokens + more.tokens
            )
            for few, more in zip(own, many, strict=True)
        ]
        return compared({"own": whole, "learned": learned}, material.epsilon, rng)

    chosen = spread(material.held_out, CHARACTER_SITUATIONS, seed)
    return {
        "steps": config.learning.steps,
        "learning_rate": config.learning.learning_rate,
        "weights": config.learning.weights,
        "situations": {"learned": len(material.learned), "held_out": len(material.held_out)},
        "topics": {"learned": len(material.topics[0]), "held_out": len(material.topics[1])},
        "training": trained,
        "gains": once("gains", gains),
        "character": once("character", lambda: character(config, chosen, seed)),
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark; returns the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="write the figures to this JSON file")
    parser.add_argument(
        "--work", type=Path, help="keep everything in this folder; a temporary one if left out"
    )
    parser.add_argument(
        "--only", nargs="+", choices=list(TRAININGS), default=list(TRAININGS), help="these trainings"
    )
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as name:
        work: Path = options.work or Path(name)
        negotiated(work / "run", options.seed)
        found = {only: measure(only, work / "run", work / only, options.seed) for only in options.only}
    record = provenance(
        options.seed, ("torch", "transformers", "peft", "numpy"), ("agents", "negotiation", "rewriter")
    ) | {
        "benchmark": "learned_oracle",
        "model": "bundled",
        "settings": {"prompts": PROMPTS, "group": GROUP},
        "trainings": found,
    }
    print_or_keep(record, options.out)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
