"""Whether a culture's adapter brings the bundled model nearer to its people's answers, on items that it was not trained on.

    python benchmarks/culture_adapters.py                   prints JSON
    python benchmarks/culture_adapters.py --out FILE.json   and writes it
    python benchmarks/culture_adapters.py --check           exits with 1 if fewer than six of eight regions come nearer
    python benchmarks/culture_adapters.py --work DIR        keeps the adapters there, and trains none that is there

What the people said. Nobody's answers ship with Concordat, only means: each region's ten centred value scores (the shipped
profiles) and its overall level, ``LEVELS``. Score plus level is the region's mean on the six-point portrait item, turned round
(6 is very much like me). The share of each option is *not* a published fact: it is the distribution of maximum entropy on the
six options with that mean, an assumption about the spread. Distances are to that distribution.

What is trained. The ten portraits are split into the folds of ``FOLDS``, fixed by every other value in Schwartz's order before
anything was trained. For each region and fold an adapter learns the items of the other fold only, from text that the writer
without a language model makes (``agents.voices``), with the settings that ``concordat train culture`` has for the bundled model
(``agents.tuning``; it keeps one of the training items aside for its own curve). Nothing was chosen by looking at held-out items.

What is asked. The held-out items, by ``agents.interview``, in the name of each region, of four kinds of voice: the region's own
new adapter, the bare model, the other regions' new adapters, and the adapter that ships for the region (made from
negotiation texts, not from answers). Wasserstein-1 on a scale of length 1; differences are paired by item, intervals are
bootstrapped over the ten items. Three answerers that are no model are set beside them: one who spreads evenly over the options,
one who answers every held-out item as the region answers the other fold's items on average (all that can be learned without
knowing what an item is about), and one who answers as all regions do on average on that very item.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq

from agents.cultures import get_culture
from agents.evaluation import portraits
from agents.intervals import bootstrap, sign_flip_p_value
from agents.interview import InterviewConfig, interview, question_of
from agents.survey.codebook import Item
from agents.survey.distance import wasserstein
from agents.survey.profile import AnswerShares
from agents.survey.shipped import shipped_profiles
from agents.values import SCHWARTZ_VALUES
from benchmarks.provenance import provenance

LEVELS: Mapping[str, float] = {
    "english-speaking": 3.7362,
    "protestant-europe": 3.5830,
    "catholic-europe": 4.0982,
    "orthodox-europe": 3.9798,
    "confucian": 3.6428,
    "west-south-asia": 4.1130,
    "african-islamic": 4.3802,
    "latin-america": 4.0930,
}
"""Mean answer to all portraits, 6 very much like me to 1 not at all: what was subtracted from each country's answers to centre
them, averaged over a region's countries as the scores are, from the same rows of the same published aggregates (World Values
Survey, waves 5 and 6; ``agents.survey.published`` states the rule)."""

FOLDS: tuple[tuple[str, ...], ...] = (SCHWARTZ_VALUES[0::2], SCHWARTZ_VALUES[1::2])
"""The values whose portraits are held out together."""

PAIRS = 60
"""Question-answer pairs an item: ten an option if answers were spread evenly."""

WANTED = 6
"""Regions of eight that should come nearer."""

CATEGORY = "Social Norms and Modernization"


def most_even(mean: float, options: int) -> tuple[float, ...]:
    """The distribution of maximum entropy over the places 1 to ``options`` with a given mean: p_k proportional to exp(t k).

    Source: Jaynes 1957, Physical Review 106, section 2 (his die with a known mean).

    Args:
        mean: strictly between 1 and ``options``.
        options: number of places, >= 2.

    Returns:
        (options,) positive shares summing to 1.

    >>> [round(share, 3) for share in most_even(3.5, 6)]
    [0.167, 0.167, 0.167, 0.167, 0.167, 0.167]
    >>> [round(share, 4) for share in most_even(4.5, 6)]
    [0.0544, 0.0788, 0.1142, 0.1654, 0.2398, 0.3475]
    """
    places = np.arange(1.0, options + 1.0)

    def shares(tilt: float) -> NDArray[np.float64]:
        weights = np.exp(tilt * (places - places.mean()))
        even: NDArray[np.float64] = weights / weights.sum()
        return even

    found = shares(float(brentq(lambda tilt: float(shares(tilt) @ places) - mean, -30.0, 30.0, xtol=1e-12)))
    return tuple((found / found.sum()).tolist())


def portrait_items() -> dict[str, Item]:
    """The ten portraits as items, by value; option 1 is most like the person."""
    return {
        name: Item(
            id=question.id,
            question=question.text,
            category=CATEGORY,
            measures=name,
            direction=-1,
            options=question.options,
            variables={},
        )
        for name, question in zip(SCHWARTZ_VALUES, portraits(), strict=True)
    }


def answers_of(region: str, items: Mapping[str, Item]) -> dict[str, AnswerShares]:
    """Shares of maximum entropy with the region's published mean, by value."""
    profile = shipped_profiles()[region]
    found = {}
    for name, item in items.items():
        figure = profile.schwartz[name]
        likeness = LEVELS[region] + figure.value  # 6 is most like me; option 1 is
        shares = most_even(len(item.options) + 1.0 - likeness, len(item.options))
        source = f"maximum entropy with the mean of: {figure.source}"
        found[name] = AnswerShares(item=item.id, shares=shares, source=source)
    return found


def train_adapter(region: str, learned: Sequence[Any], folder: Path, seed: int) -> dict[str, Any]:
    """Make the text of some answered items and train an adapter on it, in this process; gives losses and rows."""
    import torch

    from agents.models.config import BundledConfig
    from agents.tuning.adapter import AdapterTraining, Base
    from agents.tuning.dialogues import read_pairs
    from agents.voices.config import VoicesConfig
    from cluster.training_config import culture_training_config
    from cluster.voices_run import VoicesJob, make_voices

    began, text = time.monotonic(), folder / "text"
    make_voices(VoicesJob(region, tuple(learned), text, VoicesConfig(pairs=PAIRS, seed=seed), serial=True))
    flags = {"culture": region, "data": text, "work": folder / "work", "seed": seed}
    config = culture_training_config(flags)
    pairs = read_pairs(text, region)
    base = Base.of(BundledConfig())
    training = AdapterTraining(base, region, pairs, config.tuning, torch.device("cpu"))
    points = list(training.trainer.train())
    training.save_adapter(folder / "adapter")
    return {
        "rows": training.rows[0],
        "steps": points[-1].steps,
        "loss": points[-1].loss,
        "loss_aside_first": points[0].validation_loss,
        "loss_aside_last": points[-1].validation_loss,
        "seconds": time.monotonic() - began,
    }


def train_all(
    folder: Path, items: Mapping[str, Item], seed: int
) -> Iterator[tuple[str, int, dict[str, float | None]]]:
    """Train one adapter a region and fold under ``folder``, telling of each."""
    from agents.voices.rows import Answered

    for region in LEVELS:
        theirs = answers_of(region, items)
        for fold, held_out in enumerate(FOLDS):
            learned = [Answered(items[name], theirs[name]) for name in items if name not in held_out]
            place = folder / f"{region}-{fold}"
            finished = place / "figures.json"
            if not finished.is_file():
                figures = train_adapter(region, learned, place, seed)
                finished.write_text(json.dumps(figures))
            yield region, fold, json.loads(finished.read_text())


def ask_all(folder: Path, items: Mapping[str, Item], seed: int) -> dict[str, dict[str, NDArray[np.float64]]]:
    """Ask every voice the held-out items in the name of every region.

    Returns:
        By region and voice (``base``, ``shipped``, or the region whose adapter it is): (10, 6) shares in the order of
        ``SCHWARTZ_VALUES``.
    """
    from agents.bundled import bundled_transformers_config
    from agents.models.config import BundledConfig
    from agents.models.transformers_model import TransformersModel

    plain = bundled_transformers_config(BundledConfig())
    new = {
        f"{region}-{fold}": str(folder / f"{region}-{fold}" / "adapter")
        for region in LEVELS
        for fold in range(len(FOLDS))
    }
    model = TransformersModel(plain.model_copy(update={"adapters": plain.adapters | new, "num_threads": 1}))
    order = list(SCHWARTZ_VALUES)
    found: dict[str, dict[str, NDArray[np.float64]]] = {}
    for region in LEVELS:
        voices = {"base": None, "shipped": region} | {other: f"{other}-" for other in LEVELS}
        found[region] = {voice: np.zeros((len(order), 6)) for voice in voices}
        for fold, held_out in enumerate(FOLDS):
            questions = [question_of(items[name]) for name in held_out]
            for voice, adapter in voices.items():
                chosen = f"{adapter}{fold}" if adapter is not None and adapter.endswith("-") else adapter
                answers = interview(
                    model,
                    questions,
                    get_culture(region),
                    np.random.default_rng([seed, fold]),  # the same orders of options for all voices
                    adapter=chosen,
                    config=InterviewConfig(),
                )
                for name, answer in zip(held_out, answers, strict=True):
                    found[region][voice][order.index(name)] = answer.shares
        print(f"{region}: asked", file=sys.stderr)
    return found


def compare(
    asked: Mapping[str, Mapping[str, NDArray[np.float64]]],
    people: Mapping[str, NDArray[np.float64]],
    seed: int,
) -> dict[str, Any]:
    """Distances and paired differences, by region and over all.

    Args:
        asked: as ``ask_all`` gives it.
        people: (10, 6) shares by region.
        seed: of the resampling.
    """
    rng = np.random.default_rng([seed, 2])
    everybody = np.mean(list(people.values()), axis=0)
    regions: dict[str, Any] = {}
    units = []
    for region, theirs in people.items():
        away = {voice: _away(shares, theirs) for voice, shares in asked[region].items()}
        others = np.mean([away[other] for other in people if other != region], axis=0)
        own = away[region]
        compared = {"base": own - away["base"], "others": own - others, "shipped": own - away["shipped"]}
        units.append(np.stack([compared["base"], compared["others"]]))
        distances = {"own": own, "base": away["base"], "others": others, "shipped": away["shipped"]}
        distances |= {
            "even": _away(np.full_like(theirs, 1 / 6), theirs),
            "blind": _away(_blind(theirs), theirs),
            "everybody": _away(everybody, theirs),
        }
        regions[region] = {
            "distance": {name: float(row.mean()) for name, row in distances.items()},
            "own_less": {name: asdict(bootstrap(row, rng)) for name, row in compared.items()},
            "p_base": sign_flip_p_value(compared["base"], rng),
            "items_nearer": int((compared["base"] < 0).sum()),
            "nearest_adapter": min(people, key=lambda other: float(away[other].mean())),
        }
    # Regions share items and base: items are what is resampled, all regions' differences with them.
    over_all = np.mean(units, axis=0)
    return {
        "regions": regions,
        "nearer": sum(region["own_less"]["base"]["estimate"] < 0 for region in regions.values()),
        "nearer_surely": sum(region["own_less"]["base"]["high"] < 0 for region in regions.values()),
        "nearer_than_others": sum(
            region["own_less"]["others"]["estimate"] < 0 for region in regions.values()
        ),
        "nearer_than_others_surely": sum(
            region["own_less"]["others"]["high"] < 0 for region in regions.values()
        ),
        "all": {
            "base": asdict(bootstrap(over_all[0], rng)),
            "others": asdict(bootstrap(over_all[1], rng)),
        },
        "mean_shares": {
            "people": everybody.mean(axis=0).round(4).tolist(),
            "base": _mean_shares(asked, None),
            "own": _mean_shares(asked, "own"),
        },
    }


def _away(shares: NDArray[np.float64], theirs: NDArray[np.float64]) -> NDArray[np.float64]:
    """(10,) distances of two (10, 6) tables, row by row."""
    places = tuple(range(shares.shape[1]))
    return np.array(
        [
            wasserstein(left.tolist(), right.tolist(), places)
            for left, right in zip(shares, theirs, strict=True)
        ]
    )


def _blind(theirs: NDArray[np.float64]) -> NDArray[np.float64]:
    """(10, 6): for each held-out item the region's mean over the items of the other fold."""
    rows = np.zeros_like(theirs)
    for held_out in FOLDS:
        inside = np.array([name in held_out for name in SCHWARTZ_VALUES])
        rows[inside] = theirs[~inside].mean(axis=0)
    return rows


def _mean_shares(asked: Mapping[str, Mapping[str, NDArray[np.float64]]], voice: str | None) -> list[float]:
    tables = [voices[region if voice == "own" else "base"] for region, voices in asked.items()]
    shares: list[float] = np.mean(tables, axis=(0, 1)).round(4).tolist()
    return shares


def measure(seed: int, work: Path) -> dict[str, Any]:
    """Train in a folder whatever is not there, ask and compare."""
    items = portrait_items()
    people = {
        region: np.array([answers.shares for answers in answers_of(region, items).values()])
        for region in LEVELS
    }
    trained: list[dict[str, Any]] = []
    for region, fold, figures in train_all(work, items, seed):
        trained.append({"region": region, "fold": fold, **figures})
        print(f"{region}, fold {fold}: {figures}", file=sys.stderr)
    began = time.monotonic()
    asked = ask_all(work, items, seed)
    asking_s = time.monotonic() - began
    return {
        "benchmark": "culture_adapters",
        "model": "bundled",
        "assumption": "shares of the six options are of maximum entropy; only their means are published",
        "folds": [list(fold) for fold in FOLDS],
        "pairs": PAIRS,
        **compare(asked, people, seed),
        "training": trained,
        "seconds": {"training": round(sum(row["seconds"] for row in trained)), "asking": round(asking_s)},
        "marks": {"nearer": WANTED},
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark; returns the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="write the figures to this JSON file")
    parser.add_argument(
        "--check", action="store_true", help="exit with 1 if fewer regions come nearer than wanted"
    )
    parser.add_argument("--work", type=Path, help="keep adapters in this folder; a temporary one if left out")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as name:
        found = measure(options.seed, options.work or Path(name))
    record = (
        provenance(options.seed, ("torch", "transformers", "peft", "numpy", "scipy"), ("agents",)) | found
    )
    text = json.dumps(record, indent=2, allow_nan=False)
    print(text)
    if options.out:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text(text + "\n")
    if record["nearer"] < WANTED:
        print(f"{record['nearer']} regions come nearer; wanted are {WANTED}", file=sys.stderr)
    return 1 if options.check and record["nearer"] < WANTED else 0


if __name__ == "__main__":
    raise SystemExit(main())
