"""The parts of benchmarks/README.md on games: policy-space response, bargaining, many players."""

from __future__ import annotations

from typing import Any


def psro_curves(figures: dict[str, Any]) -> str:
    """NashConv by iteration."""
    marks = figures["marks"]
    lines = [
        "NashConv over the whole game by iteration of policy-space response. `exact` and `rllib` are our loop with exact and",
        "with learned (PPO) best responses; `openspiel` is psro_v2 with its exact best responses, projected replicator",
        f"dynamics and payoffs from {figures['simulations']} played episodes a cell. Wanted: `exact` below {marks['exact']:g},"
        f" `rllib` below {marks['rllib']:g} within {figures['budget_moves']:,} moves of learners.",
        "",
        "Our loop ends once its mark is reached, or when the oracle brings nothing new. Published curves of policy-space",
        "response on Kuhn poker (Muller et al. 2020, arXiv 1909.12823, exact responses with several meta-solvers) are pictures",
        "without numbers, and none are put beside ours here.",
        "",
        "![NashConv by iteration](../docs/images/psro-curves.png)",
        "",
        "| game | way | iterations | best | policies | CPU s | learners' moves | by iteration |",
        "| --- | --- | ---: | ---: | --- | ---: | ---: | --- |",
    ]
    for one in figures["curves"]:
        convs, moves = one["nash_conv"], one["moves"]
        lines.append(
            f"| {one['game']} | {one['way']} | {len(convs)} | {min(convs):.4f} | {' + '.join(map(str, one['sizes']))}"
            f" | {one['cpu_s']:.1f} | {'' if moves is None else f'{moves:,}'} | {' '.join(f'{conv:.2f}' for conv in convs)} |"
        )
    return "\n".join(lines)


BARGAINING_MEASURES = {
    "agreement": "agreement ↑",
    "efficiency": "efficiency ↑",
    "nash_product": "Nash product, share of the Nash solution's ↑",
    "least_gain": "gain of the side that gains least ↑",
    "gini": "Gini of gains ↓",
    "nash_distance": "distance to the Nash solution ↓",
    "ks_distance": "distance to the Kalai-Smorodinsky solution ↓",
}


def bargaining(figures: dict[str, Any]) -> str:
    """Bargaining beside the one-shot consensus."""

    def interval(found: dict[str, float] | None, sign: str = "") -> str:
        return (
            ""
            if found is None
            else f"{found['mean']:{sign}.3f} [{found['low']:{sign}.3f}, {found['high']:{sign}.3f}]"
        )

    measures, settings = figures["measures"], figures["settings"]
    lines = [
        f"{figures['negotiations']} negotiations on {figures['topics']} topics, of {figures['tables']} pairs of cultures"
        " with the bundled model, bargained over at the defaults of",
        f"`concordat bargain` ({settings['offers']} offers, {settings['turns']} turns, discount {settings['discount']:g}, two"
        " private types a side). The one-shot consensus is the equilibrium as a",
        "lottery over the same offers, put to everybody at once, to be taken or left. Exact expectations over types;",
        f"intervals are 95% over topics, differences paired. {figures['converged']} are within NashConv {figures['tolerance']:g}"
        f" (largest {figures['nash_conv']['largest']:.1e}), after {figures['iterations']['median']:.0f} iterations in the median;"
        f" {figures['cpu_seconds']:.0f} s of computing.",
        "",
        "| measure | bargaining | one-shot consensus | difference |",
        "| --- | ---: | ---: | ---: |",
    ]
    lines += [
        f"| {heading} | {interval(measures['bargaining'][name])} | {interval(measures['one_shot'][name])}"
        f" | {interval(figures['differences'][name], '+')} |"
        for name, heading in BARGAINING_MEASURES.items()
    ]
    return "\n".join(lines)


def polymatrix(figures: dict[str, Any]) -> str:
    """Time and memory of many players."""
    slopes = ", ".join(f"{solver} {slope:.2f}" for solver, slope in figures["slopes"].items())
    lines = [
        "Games of our utility over random guidelines in polymatrix form. Seconds are of one thread's computing, and of the clock",
        "beside them (other work ran on the machine). Wanted of `exact`: 8 x 32 below 1 s. Memory is the peak of building and",
        "solving, beside that of the pair matrices, N (N - 1) k^2 cells, and of a dense tensor. It grows with this power",
        f"of N k (8 players; 2 is N^2 k^2): {slopes}.",
        "",
        "| players x guidelines | solver | median s | max s | clock s | max NashConv | converged | peak memory | pairs | dense |",
        "| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    lines += [
        f"| {one['players']} x {one['actions']} | {one['solver']} | {one['median_s']:.3f} | {one['max_s']:.3f}"
        f" | {one['max_wall_s']:.2f} | {one['max_nash_conv']:.1e} | {one['converged']}/{one['games']}"
        f" | {one['peak_bytes'] / 1e6:.1f} MB | {one['pair_bytes'] / 1e6:.1f} MB | {one['dense_bytes'] / 1e9:.2g} GB |"
        for one in figures["lines"]
    ]
    return "\n".join(lines)


def many_parties(figures: dict[str, Any]) -> str:
    """More than two cultures at a table."""
    parties = figures["tables"]
    lines = [
        "Three and eight cultures at one table, with the bundled model, as a user starts it; the time is that of the whole",
        "command, start of Ray and report in it. A consensus *stands* without a party if, after that party left, nobody who",
        "stays would gain by other weights. It is *blocked* in part if a guideline with weight is accepted less by some party",
        "than the openings were.",
        "",
        f"| figure | {' | '.join(f'{name} cultures' for name in parties)} | wanted |",
        f"| --- |{' ---: |' * len(parties)} ---: |",
    ]
    rows: tuple[tuple[str, Any, str], ...] = (
        ("seconds of the command", lambda one: f"{one['seconds']:.0f}", "below 600"),
        ("negotiations, converged", lambda one: f"{one['negotiations']}, {one['converged']}", ""),
        ("tokens a second", lambda one: f"{one['tokens_per_s']:.0f}", ""),
        ("rounds; guidelines of all, mean", lambda one: f"{one['rounds']:.1f}; {one['guidelines']:.1f}", ""),
        ("profiles of the largest game", lambda one: f"{one['profiles']:,}", ""),
        ("same consensus in every order of the parties", lambda one: f"{one['order_independent']}", "all"),
        ("departures after which it stands", lambda one: f"{one['stands']} of {one['departures']}", ""),
        ("blocked in part", lambda one: f"{one['blocked']}", ""),
    )
    lines += [
        f"| {told} | {' | '.join(show(one) for one in parties.values())} | {wanted} |"
        for told, show, wanted in rows
    ]
    lines += [
        "",
        "The same final pools, answered by each solver. NashConv of correlated equilibria is that of their marginals as",
        "independent mixtures; `refused` are games too large for the solver.",
        "",
        "| table | solver | games | refused | mean NashConv | max NashConv | median ms |",
        "| --- | --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for name, one in parties.items():
        for solver, found in one["solvers"].items():
            known = found["games"] > 0
            mean, most = (f"{found[key]:.1e}" if known else "" for key in ("mean_nash_conv", "max_nash_conv"))
            took = f"{found['median_ms']:.1f}" if known else ""
            lines.append(
                f"| {name} | {solver} | {found['games']} | {found['refused']} | {mean} | {most} | {took} |"
            )
    return "\n".join(lines)
