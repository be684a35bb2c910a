"""Compute every number of a record again from its texts' embeddings and weights, and compare."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from negotiation.best_response import candidate_values, solve_pools, solver_rng
from negotiation.errors import RecordError
from negotiation.guideline import Pool
from negotiation.metagame import build_metagame
from negotiation.record import Equilibrium, Move, NegotiationRecord
from negotiation.utility import Utility


@dataclass(frozen=True, slots=True)
class Recomputed:
    """How far a record's numbers are from what they should be.

    Attributes:
        largest_difference: over all numbers compared, absolute, >= 0; rounding leaves some 1e-15.
        where: the number that shows it.
        compared: how many numbers were compared.
    """

    largest_difference: float
    where: str
    compared: int


def recompute(
    record: NegotiationRecord, utility: Utility | None = None, solve_again: bool = False
) -> Recomputed:
    """Play a record again on paper: pools, meta-games, payoffs, regrets, NashConv, utilities, gains.

    Args:
        record: the record.
        utility: the utility it was played under; the standard one of the record's configuration if left out.
        solve_again: also run the solver on every meta-game and compare its weights.

    Returns:
        The largest absolute difference to the stored numbers.

    Raises:
        RecordError: if no numbers but the story is wrong: pools that do not grow by what was accepted, a
            candidate accepted without need or not taken though it should be, a conclusion that does not
            follow.
    """
    config = record.game_config()
    utility = utility or Utility.standard(config.alpha, config.beta, config.gamma)
    names = sorted(term.name for term in utility.terms)
    if names != sorted(record.terms):
        raise RecordError(
            f"record {record.negotiation_id!r} was played with the utility terms {sorted(record.terms)}, not"
            f" {names}; give recompute() that utility"
        )
    replay = _Replay(record, utility, solve_again)
    weights = {term.name: term.weight for term in utility.terms}
    replay.same([weights[name] for name in names], [record.terms[name] for name in names], "term weights")
    for played in record.rounds:
        if config.update == "simultaneous":
            replay.solved(played.equilibria[0], f"round {played.round}")
            replay.moved(played.moves, played.equilibria[0], played.round)
            continue
        for move, faced in zip(played.moves, played.equilibria, strict=True):
            replay.solved(faced, f"round {played.round}, before player {move.player}")
            replay.moved([move], faced, played.round)
    replay.solved(record.final, "final")
    replay.concluded()
    return Recomputed(replay.largest, replay.where, replay.compared)


class _Replay:
    """Pools as they grow, and the largest difference so far."""

    def __init__(self, record: NegotiationRecord, utility: Utility, solve_again: bool) -> None:
        self.record, self.utility, self.solve_again = record, utility, solve_again
        self.config = record.game_config()
        self.pools = tuple(Pool(p.player, p.guidelines[:1], p.embeddings[:1]) for p in record.pools)
        self.largest, self.where, self.compared = 0.0, "", 0

    def same(self, computed: ArrayLike, stored: ArrayLike, where: str) -> None:
        """Compare numbers or arrays of them."""
        ours = np.atleast_1d(np.asarray(computed, dtype=np.float64))
        theirs = np.atleast_1d(np.asarray(stored, dtype=np.float64))
        self.check(ours.shape == theirs.shape, f"{where} has shape {theirs.shape}, {ours.shape} follows")
        self.check(bool(np.isfinite(theirs).all()), f"{where} is {theirs}, which is not finite")
        difference = float(np.abs(ours - theirs).max(initial=0.0))
        self.compared += ours.size
        if difference > self.largest or not self.where:
            self.largest, self.where = difference, where

    def check(self, holds: bool, what: str) -> None:
        if not holds:
            raise RecordError(f"record {self.record.negotiation_id!r}: {what}; negotiate it again")

    def solved(self, found: Equilibrium, where: str) -> None:
        """Payoffs, regrets and NashConv of the stored weights on the game of the present pools."""
        sizes, held = [weights.size for weights in found.weights], [len(pool) for pool in self.pools]
        self.check(sizes == held, f"{where}: weights over {sizes} guidelines, the pools hold {held}")
        game = build_metagame(self.pools, self.utility)
        self.same(game.expected_payoffs(found.weights), found.payoffs, f"{where}: payoffs")
        self.same(game.regrets(found.weights), found.regrets, f"{where}: regrets")
        self.same(game.nash_conv(found.weights), found.nash_conv, f"{where}: NashConv")
        if self.solve_again:
            rng = solver_rng(self.record.seed, self.record.topic.id, self.record.players, self.pools)
            again = solve_pools(self.pools, self.utility, self.config, rng)
            for player, (ours, theirs) in enumerate(zip(again.weights, found.weights, strict=True)):
                self.same(ours, theirs, f"{where}: weights of player {player}")

    def moved(self, moves: Sequence[Move], faced: Equilibrium, number: int) -> None:
        """Terms, utilities and gains of the candidates, and the choice among them; then the pools grow."""
        before = self.pools
        for move in moves:
            i = move.player
            for k, candidate in enumerate(move.candidates):
                where = f"round {number}, player {i}, candidate {k}"
                guideline = candidate.draft.as_guideline(f"p{i}-r{number}-{candidate.draft.kind}", i, number)
                value, gain, parts = candidate_values(
                    before, i, guideline, candidate.embedding, faced.weights, self.utility
                )
                self.same(value, candidate.utility, f"{where}: utility")
                self.same(gain, candidate.gain, f"{where}: gain")
                for name in parts:
                    self.same(parts[name], candidate.parts[name], f"{where}: {name}")
                if candidate.accepted:
                    self.check(
                        candidate.guideline_id == guideline.id, f"{where}: id {candidate.guideline_id!r}"
                    )
                    grown = self.pools[i].with_guideline(guideline, candidate.embedding)
                    self.pools = (*self.pools[:i], grown, *self.pools[i + 1 :])
            gains = [candidate.gain for candidate in move.candidates]
            due = bool(gains) and max(gains) >= self.config.epsilon
            taken = [candidate.accepted for candidate in move.candidates]
            right = taken == [due and k == int(np.argmax(gains)) for k in range(len(gains))]
            self.check(right, f"round {number}, player {i}: accepted {taken} at gains {gains}")

    def concluded(self) -> None:
        """The final pools and the verdict follow from the rounds."""
        record = self.record
        for ours, theirs, opening in zip(self.pools, record.pools, record.openings, strict=True):
            self.check(
                ours.guidelines == theirs.guidelines, f"pool of player {ours.player} did not grow as accepted"
            )
            first = opening.guideline.as_guideline(theirs.guidelines[0].id, ours.player, 0)
            self.check(
                first == theirs.guidelines[0], f"pool of player {ours.player} does not begin with its opening"
            )
            self.same(ours.embeddings, theirs.embeddings, f"pool of player {ours.player}: embeddings")
        last = record.rounds[-1].moves
        quiet = all((m.candidates or not m.missing) and m.accepted is None for m in last)
        near = record.final.nash_conv <= self.config.nash_conv_tolerance
        reason = ("equilibrium" if near else "solver-tolerance") if quiet else "round-limit"
        said = f"stop reason {record.stop_reason!r} and converged {record.converged}"
        self.check(
            record.stop_reason == reason and record.converged == (reason == "equilibrium"),
            f"{said}, {reason!r} follows",
        )
