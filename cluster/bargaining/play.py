"""Bargain with the policies that were found, at the terminal: with those of a folder, or with a server's."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from cluster.bargaining.command import FILE, GAMES, POLICIES
from cluster.bargaining.policies import BargainingPolicy, load_policy
from cluster.chat.show import plain
from cluster.console import OK, Output
from cluster.report.source import culture_name
from negotiation.errors import ConfigurationError, RunError

if TYPE_CHECKING:
    from cluster.serving.bargaining_schema import OutcomeReply, PlayReply, Said

Ask = Callable[[str], str]
"""A question to the person; the answer."""

Say = Callable[[str], Any]


class Playing(Protocol):
    """A play that a person takes part in, wherever it is: ``Table`` in this process, ``RemoteTable`` on a server."""

    def view(self) -> PlayReply:
        """As the person sees it; the others have moved until it is the person's turn, or the end."""
        ...

    def move(self, action: int) -> PlayReply:
        """Make the person's move, which must be legal."""
        ...


@dataclass(frozen=True, slots=True)
class PlayAsked:
    """What the command line says.

    Attributes:
        place: a run or the folder of a bargaining; with a server, the name of a negotiation. None if not given.
        negotiation: the beginning of a policy's name; None for the first one.
        side: whom the person speaks for; None for the first side.
        seed: of types and of the others' moves; a server has its own.
        server: its address; None to play here.
        key: API key.
    """

    place: str | None = None
    negotiation: str | None = None
    side: str | None = None
    seed: int | None = None
    server: str | None = None
    key: str | None = None


def play_policy(asked: PlayAsked, output: Output) -> int:
    """Find the policy, play it once with a person, and say what came of it; returns the exit status.

    Raises:
        RunError: if the folder, or the server, has no bargaining policies.
        ConfigurationError: if the negotiation or the side is not there, flags do not go together, or the input ends too early.
        ModelServerError: if the server does not answer.
    """
    console = output.side_console if output.as_json else output.table_console

    def say(text: str) -> None:
        console.print(text, highlight=False, markup=False, soft_wrap=True)

    try:
        with ExitStack() as stack:
            end = play(_table(asked, stack, output), input, say)
    except EOFError as error:
        raise ConfigurationError(
            "standard input ended before the play did; play at a terminal, or pipe in a line for each move"
        ) from error
    if output.as_json:
        output.result(tree(end))
    return OK


def _table(asked: PlayAsked, stack: ExitStack, output: Output) -> Playing:
    """The play that is asked for, begun; a connection is closed with the stack."""
    if asked.server is not None:
        from cluster.bargaining.remote import remote_table

        return remote_table(asked, stack, output)
    from cluster.bargaining.table import Table

    if asked.place is None:
        raise ConfigurationError(
            "no RUN is given; name a run that was bargained over, or a server with --server URL"
        )
    policy = load_policy(find_policy(Path(asked.place), asked.negotiation))
    return Table(policy, side_of(policy, asked.side), np.random.default_rng(asked.seed))


def find_policy(folder: Path, negotiation: str | None) -> Path:
    """The file of a negotiation's policy, by its topic or id, or their beginning; the first one if none is asked for.

    Raises:
        RunError: if the folder has no policies.
        ConfigurationError: if there is none, or more than one, of that name.
    """
    inner = folder if (folder / POLICIES).is_dir() and (folder / GAMES).is_dir() else folder / "bargaining"
    files = {file.stem: file for file in sorted((inner / POLICIES).glob("*.json"))}
    if not files:
        raise RunError(
            f"{folder} has no bargaining policies (no {FILE}); run 'concordat bargain' on it first"
        )
    return files[named(list(files), negotiation)]


def named(names: list[str], wanted: str | None) -> str:
    """The one name that is wanted or begins so; the first one if none is wanted.

    Raises:
        ConfigurationError: if there is none, or more than one.
    """
    if wanted is None or wanted in names:
        return names[0] if wanted is None else wanted
    found = [name for name in names if name.startswith(wanted)]
    if len(found) != 1:
        near = ", ".join((found or names)[:5])
        raise ConfigurationError(
            f"--negotiation {wanted}: {len(found) or 'no'} policies are of that name; there are {near}"
        )
    return found[0]


def side_of(policy: BargainingPolicy, side: str | None) -> int:
    """The player that a person plays; the first if none is asked for.

    Raises:
        ConfigurationError: if no player is of that name.
    """
    return policy.players.index(chosen_side(policy.players, side))


def chosen_side(players: tuple[str, ...], side: str | None) -> str:
    """The side that a person speaks for; the first if none is asked for.

    Raises:
        ConfigurationError: if it is not at the table.
    """
    if side is not None and side not in players:
        raise ConfigurationError(f"--side {side}: not at this table; the sides are {', '.join(players)}")
    return players[0] if side is None else side


def play(table: Playing, ask: Ask, say: Say) -> PlayReply:
    """One play of a person, to its end.

    Args:
        table: the play.
        ask: puts a question to the person.
        say: shows a line; texts of a server are shown without what a terminal would take for commands.

    Returns:
        The play at its end.
    """

    def show(text: str) -> None:
        say(plain(text))

    view, shown = table.view(), 0
    _introduce(view, show)
    while True:
        for move in view.said[shown:]:
            _show_move(view, move, show)
        shown = len(view.said)
        if view.outcome is not None:
            _show_end(view, view.outcome, show)
            return view
        view = table.move(_asked(view, ask, show))


def tree(end: PlayReply) -> dict[str, Any]:
    """A play that is over, as a JSON object."""
    outcome = end.outcome
    assert outcome is not None
    return {
        "policy": end.policy,
        "sides": end.sides,
        "side": end.side,
        "said": [move.model_dump(mode="json") for move in end.said],
        **outcome.model_dump(mode="json"),
    }


def _introduce(view: PlayReply, say: Say) -> None:
    others = " and ".join(culture_name(side) for side in view.sides if side != view.side)
    say(view.topic)
    say(
        f"You speak for {culture_name(view.side)}, with {others}."
        f" There are {view.turns} turns; each one's delay takes {1 - view.discount:.0%} from all payoffs."
    )
    say(f"Without agreement you get {view.walk_away:.2f}. What the offers are worth to you:")
    for offer, worth in zip(view.offers, view.worth, strict=True):
        say(f"  {offer.action + 1}  {worth:.2f}  {offer.content} ({culture_name(offer.side)})")
    say("")


def _show_move(view: PlayReply, move: Said, say: Say) -> None:
    name = "You" if move.side == view.side else culture_name(move.side)
    offers = move.action < len(view.offers)
    say(f"  {name}: {f'offers {move.action + 1}: ' if offers else ''}{move.says}")


def _show_end(view: PlayReply, outcome: OutcomeReply, say: Say) -> None:
    say("")
    if outcome.agreement is None:
        say("No agreement; each gets its walk-away value.")
    else:
        say(f"Agreed on: {view.offers[outcome.agreement].content}")
    solutions = {"Nash": outcome.nash, "Kalai-Smorodinsky": outcome.kalai_smorodinsky}
    for place, (side, payoff) in enumerate(zip(view.sides, outcome.payoffs, strict=True)):
        beside = [f"{name} {one.payoffs[place]:.3f}" for name, one in solutions.items() if one is not None]
        say(f"  {culture_name(side)}: {payoff:.3f}" + (f"  ({', '.join(beside)})" if beside else ""))


def _asked(view: PlayReply, ask: Ask, say: Say) -> int:
    """The person's action: an offer by its number, or an answer by its first letter."""
    offers = [choice.action for choice in view.choices if choice.action < len(view.offers)]
    words = {choice.says[0]: choice for choice in view.choices if choice.action not in offers}
    prompt = (
        f"Your offer (1 to {len(view.offers)}): "
        if offers
        else f"Your answer ({', '.join(choice.says for choice in words.values())}; a letter will do): "
    )
    while True:
        given = ask(prompt).strip().lower()
        if offers and given.isdecimal() and int(given) - 1 in offers:
            return int(given) - 1
        if not offers and given[:1] in words:
            return words[given[:1]].action
        say("  That is none of the choices.")
