"""Writes benchmarks/README.md from the measured figures in benchmarks/results.

python benchmarks/tables.py          writes the page
python benchmarks/tables.py --check  exit status 1 if the page is another one
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from pathlib import Path
from typing import Any

from agents.metrics.catalogue import MEASURES
from benchmarks import game_tables, oracle_tables, scale_tables

FOLDER = Path(__file__).parent
PAGE = FOLDER / "README.md"

HEAD = """\
# Benchmarks

One script per figure; each prints ratios against a peer or a bound measured in the same run, and writes JSON with commit,
versions, hardware and seed. This page is made from `results/` by `python benchmarks/tables.py`.
"""


CULTURE_ADAPTERS = """\
Whether an adapter that learned a region's answers to half of the ten value portraits brings the bundled model nearer to its
people on the other half. Distances are Wasserstein-1 on a scale of length 1, means over the ten portraits, each held out once;
lower is nearer. Only the regions' mean answers are published: the spread round them is assumed to be that of maximum entropy.
`own` is the region's adapter, `base` the bare model, `others` the mean of the other regions' adapters, `shipped` the adapter
that ships for the region. Three that are no model: `even` spreads evenly over the options, `blind` answers each item as the
region answers the other half on average, `everybody` as all regions do on average on that item. Intervals are over items."""

CULTURE_ADAPTERS_FOUND = """\
**Not reached**, and nothing was tuned afterwards. What the figures say of why:

- The adapters do learn their text: on an item set aside in training the loss falls from {first:.1f} to {last:.2f} nats a token.
  But that text answers in sentences, and the survey compares the bare labels of the options as replies, with which no learned
  answer begins. Nearly all weight falls on two or three of the six labels, whatever the item: the likely cause is that a label's
  first words decide, and not the scale.
- The bare model does the same with less force. It has 3.7 million parameters and read negotiation texts only. Spreading evenly
  would be nearer to people than the bare model is in {even} of the regions.
- One region's adapter ({nearest}) is the nearest of all to the people of {most} regions. So what differs between adapters is how
  far they are from the scale, not whose answers they learned.
- Size and form are not told apart here: a larger model may learn the labels from such sentences, and text that answers with bare
  labels may help a small one. Either is to be tried on other items than these, which have been looked at now.
- Ten items are few. An interval over ten items is wide, and five items (one of them set aside) are little to learn from.

What size it would take: we found it shown from 7 billion parameters on. Suh et al. 2025 (SubPOP, arXiv 2502.16761) fine-tune
models of 7, 13 and 70 billion on 3,362 questions and close up to 46% of the gap to people, on unseen surveys too. Cao et al. 2025
(arXiv 2502.07068; their code trains 7 to 32 billion) do better than without training on unseen questions and countries, and
write that even their best models struggle with unseen questions. CultureLLM (Li et al. 2024, arXiv 2402.10946) tunes, among
others, a Llama of 70 billion on 50 items. Whether a smaller one would do, none of these tells. `train culture` and `evaluate
culture` take such a model with `--model`."""


def page() -> str:
    """The page in Markdown."""
    parts = [HEAD]
    for name, draw in (
        ("negotiation_throughput", _throughput),
        ("engines", _engines),
        ("meta_solve", _meta_solve),
        ("survey_profiles", _survey_profiles),
        ("grpo_scaling", _grpo_scaling),
        ("grpo_throughput", _grpo_throughput),
        ("published_replay", _published_replay),
        ("published_measures", _published_measures),
        ("psro_curves", game_tables.psro_curves),
        ("bargaining", game_tables.bargaining),
        ("polymatrix", game_tables.polymatrix),
        ("many_parties", game_tables.many_parties),
        ("culture_adapters", _culture_adapters),
        ("learned_oracle", oracle_tables.learned_oracle),
        ("scheduling", scale_tables.scheduling),
        ("scaling", scale_tables.scaling),
        ("chaos", scale_tables.chaos),
        ("serve", scale_tables.serve),
    ):
        path = FOLDER / "results" / f"{name}.json"
        if path.is_file():
            figures = json.loads(path.read_text(encoding="utf-8"))
            parts.append(f"## {name}\n\n{draw(figures)}\n\n{_measured(figures)}\n")
    return "\n".join(parts)


def _measured(figures: dict[str, Any]) -> str:
    hardware = figures["hardware"]
    versions = ", ".join(f"{name} {version}" for name, version in figures["versions"].items())
    ahead = ", this program ahead of all others by real-time priority" if hardware.get("realtime") else ""
    return (
        f"Measured at commit {figures['commit'][:10]} on {hardware['cores']} cores ({hardware['cpu']}; load average"
        f" {hardware['load'][0]:.1f} at the end{ahead}), seed {figures['seed']}; {versions}."
    )


def _throughput(figures: dict[str, Any]) -> str:
    run, raw, slow = figures["run"], figures["raw"], figures["unbatched"]
    return "\n".join(
        [
            f"A run of {run['topics']} topics as a user starts it ({figures['model']} model, two cultures, Ray, defaults),"
            " against one raw `generate` call",
            f"of the same model ({raw['batch']} sequences, {raw['prompt_tokens']} tokens in), and"
            " against the same run one call at a time",
            f"({slow['topics']} topics).",
            "",
            "| figure | measured | wanted |",
            "| --- | ---: | ---: |",
            f"| generated tokens a second, run over raw with replies of the run's lengths | {figures['tokens_ratio']:.2f}"
            " | at least 0.75 |",
            f"| the same, raw with all replies of the mean length | {figures['tokens_ratio_even']:.2f} | at least 0.75 |",
            f"| tokens a second: run, raw, raw with even lengths | {run['tokens_per_s']:.0f},"
            f" {raw['tokens_per_s']:.0f}, {max(raw['even_by_threads'].values()):.0f} | |",
            f"| negotiations an hour, run over one call at a time | {figures['speedup']:.1f} | at least 4 |",
            f"| negotiations an hour | {run['negotiations_per_hour']:.0f} | |",
            f"| peak memory, all processes | {figures['peak_memory_gb']:.2f} GB | below 4 GB |",
        ]
    )


def _engines(figures: dict[str, Any]) -> str:
    ways = {name: figures[name] for name in ("one", "mixed", "plain", "even")}
    said = {
        "one": "ours, one adapter",
        "mixed": f"ours, {figures['adapters']} adapters mixed",
        "plain": "plain `generate`, the same lengths",
        "even": "plain `generate`, even lengths",
        "vllm one": "vLLM, one adapter",
        "vllm mixed": "vLLM, adapters mixed",
    }
    vllm = figures.get("vllm") or {}
    ways |= {f"vllm {name}": vllm[name] for name in ("one", "mixed") if name in vllm}
    lines = [
        f"{figures['requests']} opening statements ({figures['model']} model on {figures['device']}, batches of"
        f" {figures['batch']}, {figures['mean_reply_tokens']:.0f} tokens a reply, each with its own bound)",
        "by the transformers engine, over plain batched `generate` with replies of the same lengths, and with all of the mean"
        " length, where no row",
        f"waits for another. Medians of {len(figures['one']['seconds'])} rounds in turn; processor time says more where other"
        " processes ran.",
        "",
        "| way | tokens a second | of processor time |",
        "| --- | ---: | ---: |",
        *(
            f"| {said[name]} | {way['tokens_per_s']:,.0f} | {_or_none(way['tokens_per_cpu_s'], name.startswith('vllm'))} |"
            for name, way in ways.items()
        ),
        "",
        "| ratio | of time | of processor time | wanted |",
        "| --- | ---: | ---: | ---: |",
        f"| ours over plain | {figures['over_plain']:.2f} | {figures['over_plain_cpu']:.2f}"
        f" | at least {figures['marks']['over_plain']} |",
        f"| ours over plain of even lengths | {figures['over_even']:.2f} | {figures['over_even_cpu']:.2f} | |",
        f"| adapters mixed over one | {figures['mixed_over_one']:.2f} | {figures['mixed_over_one_cpu']:.2f} | |",
    ]
    if "over_vllm" in figures:
        lines.append(f"| ours over vLLM | {figures['over_vllm']:.2f} | | |")
    memory = figures["gpu_memory_gb"]
    if memory is not None:
        lines += [
            "",
            f"GPU memory for {memory['cultures']} cultures: {memory['shared_loaded']:.1f} GB with one base model"
            f" ({memory['shared_peak']:.1f} GB at its peak), {memory['apart_loaded']:.1f} GB with one each.",
        ]
    return "\n".join(lines)


def _or_none(number: float, elsewhere: bool) -> str:
    return "in other processes" if elsewhere else f"{number:,.0f}"


def _meta_solve(figures: dict[str, Any]) -> str:
    lines = [
        "Solving meta-games: `negotiation` and `contested` are games of our utility over random guidelines, `random` has",
        "independent normal payoffs. Wanted of `exact`: NashConv at most 1e-9, and 2 x 20 of our kind in under 20 ms.",
        "",
        "| games | pools | solver | median ms | max ms | median NashConv | max NashConv | converged |",
        "| --- | --- | --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    lines += [
        f"| {line['family']} | {line['pools']} | {line['solver']} | {line['median_ms']:.2f} | {line['max_ms']:.2f}"
        f" | {line['median_nash_conv']:.1e} | {line['max_nash_conv']:.1e} | {line['converged']}/{line['games']} |"
        for line in figures["lines"]
    ]
    return "\n".join(lines)


def _survey_profiles(figures: dict[str, Any]) -> str:
    return "\n".join(
        [
            f"A synthetic survey file of the official size ({figures['respondents']:,} respondents in {figures['countries']}"
            f" countries, {figures['questions']} questions, {figures['file_mb']:.0f} MB)",
            f"read to {figures['profiles']} profiles of {figures['figures']:,} figures with their standard errors.",
            "",
            "| figure | measured | wanted |",
            "| --- | ---: | ---: |",
            f"| seconds | {figures['seconds']:.1f} | at most {figures['marks']['seconds']:.0f} |",
            f"| peak memory | {figures['peak_memory_gb']:.2f} GB | at most {figures['marks']['peak_memory_gb']:.0f} GB |",
        ]
    )


def _culture_adapters(figures: dict[str, Any]) -> str:
    def interval(row: dict[str, Any]) -> str:
        return f"{row['estimate']:+.3f} [{row['low']:+.3f}, {row['high']:+.3f}]"

    regions, over_all = figures["regions"], figures["all"]
    names = ("own", "base", "others", "shipped", "even", "blind", "everybody")
    lines = [
        CULTURE_ADAPTERS,
        "",
        f"Nearer than the bare model: {figures['nearer']} of {len(regions)} regions (wanted {figures['marks']['nearer']}),"
        f" {figures['nearer_surely']} of them with the whole interval below 0. Nearer than other regions' adapters:",
        f"{figures['nearer_than_others']}, {figures['nearer_than_others_surely']} of them surely. Over all regions:"
        f" {interval(over_all['base'])} against the bare model, {interval(over_all['others'])} against the others'.",
        "",
        f"| region | {' | '.join(names)} | own less base | own less others |",
        f"| --- |{' ---: |' * (len(names) + 2)}",
    ]
    for name, row in regions.items():
        distances = " | ".join(f"{row['distance'][column]:.3f}" for column in names)
        less = row["own_less"]
        lines.append(f"| {name} | {distances} | {interval(less['base'])} | {interval(less['others'])} |")
    shares = figures["mean_shares"]
    nearest = Counter(row["nearest_adapter"] for row in regions.values()).most_common(1)[0][0]
    lines += [
        "",
        "Mean shares of the six options, from very much like me to not at all like me:",
        "",
        "| who | 1 | 2 | 3 | 4 | 5 | 6 |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: |",
        *(f"| {who} | {' | '.join(f'{share:.2f}' for share in row)} |" for who, row in shares.items()),
        "",
        CULTURE_ADAPTERS_FOUND.format(
            nearest=nearest,
            most=sum(row["nearest_adapter"] == nearest for row in regions.values()),
            even=sum(row["distance"]["even"] < row["distance"]["base"] for row in regions.values()),
            **_losses_aside(figures["training"]),
        ),
    ]
    return "\n".join(lines)


def _published_replay(figures: dict[str, Any]) -> str:
    def row(name: str, mean: dict[str, float], every: float) -> str:
        return f"| {name} | {mean['estimate']:.3f} [{mean['low']:.3f}, {mean['high']:.3f}] | {every:.3f} |"

    every, stopping, weights = figures["every_round"], figures["stopping"], figures["weights"]
    fired, by_first = stopping["fired"], figures["by_first_guideline"]
    names = {"heading": "the heading alone", "opening": "the opening statement alone"}
    others = "; ".join(
        f"with {names[name]} {found['published_mean']:.3f}, the published algorithm"
        f" {found['published_algorithm_mean']:.3f}"
        for name, found in by_first.items()
        if name in names
    )
    return "\n".join(
        [
            f"{figures['games']:,} published negotiations of two sides (and their {figures['games_of_all_rounds']:,} games of"
            " all rounds) rebuilt by our utility with MiniLM embeddings:",
            "mean NashConv, what both sides could gain together; 0 is an equilibrium. Intervals are over topics.",
            "",
            "| weights | last games | games of all rounds |",
            "| --- | ---: | ---: |",
            row("as published", figures["published"], every["published"]),
            row("as published, the uniform half taken out", figures["published_unmixed"], every["unmixed"]),
            *(
                row(f"published algorithm, {one['name']}", one["mean"], one["every_round_mean"])
                for one in figures["algorithms"]
            ),
            f"| exact solver | {figures['ours_mean']:.1e} | {every['ours']:.1e} (largest {figures['ours_max']:.1e},"
            f" wanted at most {figures['marks']['ours_max']:.0e}) |",
            "",
            f"The published rule, that utilities did not rise, ended {fired:,} of {stopping['runs']:,} runs,"
            f" {stopping['fired_at_first_chance']:,} of them at its first chance and",
            f"{stopping['utility_fell']:,} while a side's utility fell. At the end a side could still gain"
            f" {stopping['epsilon']:g} by other weights over the same guidelines in",
            f"{stopping['gain_by_weights']:,} ({stopping['gain_by_weights_unmixed']:,} with the uniform half taken out), and the"
            f" guideline just added had gained that much in {stopping['gain_by_proposal']:,}.",
            "",
            "| round | games | as published | uniform taken out | exact, largest | new guidelines that gained |",
            "| ---: | ---: | ---: | ---: | ---: | ---: |",
            *(
                f"| {one['round']} | {one['games']:,} | {one['published']:.3f} | {one['unmixed']:.3f} | {one['ours_max']:.1e}"
                f" | {one['proposals_gaining']:.1%} |"
                for one in figures["rounds"]
            ),
            "",
            f"Of {weights['all']:,} published distributions {weights['summing_to_one']:,} sum to 1.00; the others are scaled,"
            f" and {weights['with_shared_headings']:,} with shared headings got the lost weight back.",
            "First guidelines were not released; heading and opening statement stand for them"
            + (f" ({others})." if others else "."),
            f"Seconds in all: {figures['seconds']:.0f} (wanted at most {figures['marks']['seconds']:.0f} on two quiet cores;"
            f" {figures['cpu_seconds']:.0f} s of computing).",
        ]
    )


PUBLISHED_MEASURES = (
    "gap_closed", "toward", "imbalance", "min_utility", "nash_product", "weird_index", "value_consistency", "value_gap_closed",
    "value_weird_index", "log_ppl_drop", "log_ppl_distance_change", "opening_words", "consensus_words",
)  # fmt: skip


def _published_measures(figures: dict[str, Any]) -> str:
    rows, differences = figures["rows"], figures["differences"]
    methods = [row["method"] for row in rows]
    pairs = list(dict.fromkeys((one["method"], one["other"]) for one in differences))
    by_place = {(one["measure"], one["method"], one["other"]): one for one in differences}

    def interval(found: dict[str, Any] | None) -> str:
        return "" if found is None else f"{found['estimate']:.3f} [{found['low']:.3f}, {found['high']:.3f}]"

    def difference(found: dict[str, Any] | None) -> str:
        return "" if found is None else f"{found['interval']['estimate']:+.3f} (p {found['adjusted']:.3f})"

    embedder = figures["embedder"].split("@")[0]
    lines = [
        f"What `concordat evaluate run` finds of {figures['negotiations']:,} published negotiations on {figures['topics']} topics"
        " (spread evenly): means over topics with 95%",
        "intervals, and paired differences with p values by sign flips after Holm's correction over all tests. Distances are of"
        f" {embedder},",
        f"values are read by the {figures['judges'][0]} detector; perplexity is teacher-forced under the bundled model, which"
        " learned from texts of most of these",
        "topics. The methods' openings differ in length and wording, so differences between them are not of the method alone.",
        "",
        f"| measure | {' | '.join(methods)} | {' | '.join(' - '.join(pair) for pair in pairs)} |",
        f"| --- |{' ---: |' * (len(methods) + len(pairs))}",
    ]
    for name in PUBLISHED_MEASURES:
        means = [interval(row["figures"].get(name)) for row in rows]
        between = [difference(by_place.get((name, *pair))) for pair in pairs]
        lines.append(f"| {MEASURES[name].title} | {' | '.join([*means, *between])} |")
    return "\n".join(lines)


def _grpo_throughput(figures: dict[str, Any]) -> str:
    ours, trl, asked = figures["ours"], figures["trl"], figures["settings"]
    return "\n".join(
        [
            f"Training of the {figures['model']} model's adapter by GRPO against TRL's GRPOTrainer: the same first weights,"
            f" prompts ({asked['prompts']} a step),",
            f"groups of {asked['group']}, at most {asked['max_tokens']} tokens, reward function, rates and precision;"
            f" {asked['steps']} steps, in turn, one thread.",
            "",
            "| figure | ours | TRL | ratio | wanted |",
            "| --- | ---: | ---: | ---: | ---: |",
            f"| trained tokens a second | {ours['tokens_per_s']:.0f} | {trl['tokens_per_s']:.0f}"
            f" | {figures['tokens_ratio']:.2f} | at least 1.5 |",
            f"| trained tokens a second of processor time | {ours['tokens_per_cpu_s']:.0f}"
            f" | {trl['tokens_per_cpu_s']:.0f} | {figures['cpu_ratio']:.2f} | |",
            f"| reward, first third of {figures['tokens_compared']:,} tokens | {ours['reward_first']:.3f}"
            f" | {trl['reward_first']:.3f} | | |",
            f"| reward, last third | {ours['reward_last']:.3f} | {trl['reward_last']:.3f} | | the same |",
        ]
    )


def _grpo_scaling(figures: dict[str, Any]) -> str:
    ways = figures["ways"]
    names = {"serial": "1, completions first", "one": "1, while it learns", "two": "2, while they learn"}
    phases = ("learn", "wait", "push", "save", "rollout", "reward")
    lines = [
        f"`concordat train rewriter` by GRPO: {figures['model']} model on {ways['one']['device']}, {figures['prompts']} prompts"
        f" of {figures['group']} completions a step, at most {figures['max_tokens']} tokens each,",
        "one rollout actor and one reward actor. Shares are of the first worker's time; `rollout` and `reward` are how much",
        f"of it those actors were busy. Two workers over one: {figures['two_over_one']:.2f}; writing while learning over"
        f" writing first: {figures['one_over_serial']:.2f}.",
        "",
        f"| workers | trained tokens/s | completions/s | s a step | {' | '.join(phases)} |",
        f"| --- | ---: | ---: | ---: |{' ---: |' * len(phases)}",
    ]
    lines += [
        f"| {names[name]} | {way['trained_tokens_per_s']:,.0f} | {way['completions_per_s']:.1f}"
        f" | {way['seconds_per_step']:.2f} | {_shares(way, phases)} |"
        for name, way in ways.items()
    ]
    if figures["two_over_one"] < 1.0:
        busy = sum(ways["one"]["shares"][phase] for phase in ("learn", "rollout", "reward"))
        lines += [
            "",
            f"One worker and its actors keep {busy:.1f} cores busy. A second worker takes them from the rollout actor, so it pays"
            " only where there are more cores.",
        ]
    return "\n".join(lines)


def _shares(way: dict[str, Any], phases: tuple[str, ...]) -> str:
    return " | ".join(f"{way['shares'][phase]:.0%}" for phase in phases)


def _losses_aside(training: list[dict[str, Any]]) -> dict[str, float]:
    """Mean loss on the items set aside, before and after."""
    places = {"first": "loss_aside_first", "last": "loss_aside_last"}
    return {name: sum(row[place] for row in training) / len(training) for name, place in places.items()}


def main() -> int:
    """Write or check the page; returns the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--check", action="store_true", help="only compare")
    options = parser.parse_args()
    text = page()
    if options.check:
        return 0 if PAGE.read_text(encoding="utf-8") == text else 1
    PAGE.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
