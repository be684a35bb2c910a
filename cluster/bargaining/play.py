"""Bargain with the policies that were found, at the terminal."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from cluster.bargaining.command import FILE, GAMES, POLICIES
from cluster.bargaining.policies import BargainingPolicy, load_policy
from cluster.console import OK, Output
from cluster.report.source import culture_name
from negotiation.errors import ConfigurationError, RunError

Ask = Callable[[str], str]
"""A question to the person; the answer."""

Say = Callable[[str], Any]


def play_policy(
    folder: Path, negotiation: str | None, side: str | None, seed: int | None, output: Output
) -> int:
    """Find the policy, play it once with a person, and say what came of it; returns the exit status.

    Raises:
        RunError: if the folder has no policies.
        ConfigurationError: if the negotiation or the side is not there.
    """
    policy = load_policy(find_policy(folder, negotiation))
    person = side_of(policy, side)
    console = output.side_console if output.as_json else output.table_console

    def say(text: str) -> None:
        console.print(text, highlight=False, markup=False, soft_wrap=True)

    found = play(policy, person, np.random.default_rng(seed), input, say)
    if output.as_json:
        output.result(found)
    return OK


def find_policy(folder: Path, negotiation: str | None) -> Path:
    """The file of a negotiation's policy, by its topic or id, or their beginning; the first one if none is asked for.

    Raises:
        RunError: if the folder has no policies.
        ConfigurationError: if there is none, or more than one, of that name.
    """
    inner = folder if (folder / POLICIES).is_dir() and (folder / GAMES).is_dir() else folder / "bargaining"
    files = sorted((inner / POLICIES).glob("*.json"))
    if not files:
        raise RunError(
            f"{folder} has no bargaining policies (no {FILE}); run 'concordat bargain' on it first"
        )
    if negotiation is None:
        return files[0]
    named = [file for file in files if file.stem.startswith(negotiation)]
    if len(named) != 1:
        near = ", ".join(file.stem for file in (named or files)[:5])
        raise ConfigurationError(
            f"--negotiation {negotiation}: {len(named) or 'no'} policies are of that name; there are {near}"
        )
    return named[0]


def side_of(policy: BargainingPolicy, side: str | None) -> int:
    """The player that a person plays; the first if none is asked for.

    Raises:
        ConfigurationError: if no player is of that name.
    """
    if side is None:
        return 0
    if side not in policy.players:
        raise ConfigurationError(
            f"--side {side}: not at this table; the sides are {', '.join(policy.players)}"
        )
    return policy.players.index(side)


def play(
    policy: BargainingPolicy, person: int, rng: np.random.Generator, ask: Ask, say: Say
) -> dict[str, Any]:
    """One play of a person against the policies of the others.

    Returns:
        The end: ``agreement``, an offer's place or None; ``payoffs`` of all; ``said``, the actions.
    """
    types = [int(rng.choice(len(prior), p=prior)) for prior in policy.stakes.priors]
    _introduce(policy, person, types[person], say)
    said: list[int] = []
    state = policy.state(types, said)
    while not state.is_terminal():
        player = state.current_player()
        if player == person:
            action = _asked(policy, state.legal_actions(), ask, say)
        else:
            choices = policy.act(types[player], said)
            chances = np.array([choice.probability for choice in choices])
            action = choices[int(rng.choice(len(choices), p=chances / chances.sum()))].action
        name = "You" if player == person else culture_name(policy.players[player])
        say(f"  {name}: {_spoken(policy, action)}")
        said.append(action)
        state = policy.state(types, said)
    payoffs = [float(value) for value in state.returns()]
    agreed = state.agreement
    say("")
    say(
        f"Agreed on: {policy.word(agreed)}"
        if agreed is not None
        else "No agreement; each gets its walk-away value."
    )
    for player, value in enumerate(payoffs):
        say(f"  {culture_name(policy.players[player])}: {value:.3f}")
    return {"agreement": agreed, "payoffs": payoffs, "said": said, "types": types, "side": person}


def _introduce(policy: BargainingPolicy, person: int, kind: int, say: Say) -> None:
    stakes = policy.stakes
    say(policy.topic)
    say(
        f"You speak for {culture_name(policy.players[person])}, with"
        f" {' and '.join(culture_name(name) for i, name in enumerate(policy.players) if i != person)}."
        f" There are {stakes.turns} turns; each one's delay takes {1 - stakes.discount:.0%} from all payoffs."
    )
    say(f"Without agreement you get {stakes.walk_aways[person][kind]:.2f}. What the offers are worth to you:")
    for place, offer in enumerate(policy.offers):
        owner = culture_name(policy.players[int(offer["player"])])
        say(f"  {place + 1}  {stakes.utilities[person][kind, place]:.2f}  {offer['content']} ({owner})")
    say("")


def _spoken(policy: BargainingPolicy, action: int) -> str:
    word = policy.word(action)
    return f"offers {action + 1}: {word}" if action < policy.stakes.offers else word


def _asked(policy: BargainingPolicy, legal: Sequence[int], ask: Ask, say: Say) -> int:
    """The person's action: an offer by its number, or an answer by its first letter."""
    offers = [action for action in legal if action < policy.stakes.offers]
    words = {policy.word(action)[0]: action for action in legal if action >= policy.stakes.offers}
    prompt = (
        f"Your offer (1 to {policy.stakes.offers}): "
        if offers
        else f"Your answer ({', '.join(policy.word(action) for action in words.values())}; a letter will do): "
    )
    while True:
        given = ask(prompt).strip().lower()
        if offers and given.isdigit() and int(given) - 1 in offers:
            return int(given) - 1
        if not offers and given[:1] in words:
            return words[given[:1]]
        say("  That is none of the choices.")
