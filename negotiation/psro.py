"""The negotiation loop: policy-space response oracles over guidelines (NCN section 3; Lanctot et al. 2017).

A round solves the meta-game of the pools, has each player say the weights in words and propose candidates,
and adds a player's best candidate to its pool if it gains at least epsilon against the others' weights. The
negotiation ends when no fresh candidate gains that much. Departures from the published code:

- One utility everywhere: the meta-game, the choice among candidates and the threshold use the same
  ``Utility``.
- Consensus means that NashConv of the meta-game and every gain of fresh candidates are below stated
  thresholds, not that a utility once failed to rise. A round in which a player's oracle produced nothing
  usable decides nothing.
- A candidate that does not gain is recorded and left out. The equilibrium is kept as the solver gave it:
  unrounded, and with no exploration mixed in; oracles see the same weights.
- Guidelines have ids, so equal headings are no collision.

With the standard utility, alternating updates and the ``potential`` solver every added guideline raises the
maximum of the game's potential by at least epsilon, so with epsilon > 0 the loop ends by itself.
"""

from __future__ import annotations

from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from negotiation.best_response import solve_pools, solver_rng, valued_move
from negotiation.config import GameConfig
from negotiation.errors import ConfigurationError, EmbeddingError, GameError, OracleError
from negotiation.guideline import Guideline, Pool
from negotiation.opening import Openings, embed_texts, open_table, together
from negotiation.oracle import (
    CANDIDATE_KINDS,
    Concluded,
    Draft,
    Embedder,
    Listener,
    Opened,
    Opening,
    Oracle,
    Proposals,
    RoundFinished,
    TableView,
    call_seed,
    negotiation_id,
)
from negotiation.record import Equilibrium, Move, NegotiationRecord, RoundRecord, Timing
from negotiation.topic import Topic
from negotiation.utility import Utility


async def negotiate(
    topic: Topic,
    players: Sequence[str],
    oracles: Sequence[Oracle],
    embedder: Embedder,
    config: GameConfig,
    *,
    seed: int,
    provenance: Mapping[str, str] | None = None,
    listener: Listener | None = None,
    utility: Utility | None = None,
    openings: Openings | None = None,
) -> NegotiationRecord:
    """Negotiate one topic to an equilibrium or to the round limit.

    The result is a function of the arguments alone if oracles and embedder are. What all players are asked
    at one moment is awaited together, in player order.

    Args:
        topic: the question.
        players: N >= 2 different names.
        oracles: (N,) one a player, in player order.
        embedder: E of the utility.
        config: utility weights, epsilon, round limit, order of moves, solver.
        seed: of the run, >= 0; each call gets its own, derived by ``negotiation.oracle.call_seed``.
        provenance: kept in the record as it is: model names, adapters, versions.
        listener: called in order with ``Opened``, ``RoundFinished`` for each round, and ``Concluded``.
        utility: another utility than the standard one of ``config``; its term weights are recorded.
        openings: what ``negotiation.opening.open_table`` gave for the same arguments, so that it is not asked for again;
            the record is the same.

    Raises:
        ConfigurationError: for fewer than two players, one name twice, another number of oracles or openings, or
            a bad seed.
        EmbeddingError: naming topic and text, if the embedder returns NaN, zeros or wrong shapes.
        OracleError: if an oracle returns drafts of an unknown kind or without a heading, or an empty
            statement.
    """
    if len(players) < 2 or len(set(players)) != len(players) or len(oracles) != len(players):
        raise ConfigurationError(
            f"topic {topic.id!r}: players are {list(players)} with {len(oracles)} oracles;"
            " give at least two different names and one oracle for each"
        )
    if openings is not None and len(openings.sides) != len(players):
        raise ConfigurationError(
            f"topic {topic.id!r}: {len(openings.sides)} openings are given for {len(players)} players; give one each"
        )
    utility = utility or Utility.standard(config.alpha, config.beta, config.gamma)
    table = _Table(topic, tuple(players), tuple(oracles), embedder, config, seed, utility, listener)
    await table.open(openings or await open_table(topic, players, oracles, seed))
    stop_reason = "round-limit"
    for number in range(1, config.rounds + 1):
        if await table.play(number):
            reached = table.equilibrium(number).nash_conv <= config.nash_conv_tolerance
            stop_reason = "equilibrium" if reached else "solver-tolerance"
            break
    return await table.conclude(stop_reason, provenance or {})


@dataclass(slots=True)
class _Table:
    """The state of one negotiation under way."""

    topic: Topic
    players: tuple[str, ...]
    oracles: tuple[Oracle, ...]
    embedder: Embedder
    config: GameConfig
    seed: int
    utility: Utility
    listener: Listener | None
    openings: tuple[Opening, ...] = ()
    pools: tuple[Pool, ...] = ()
    opening_embeddings: NDArray[np.float64] = field(default_factory=lambda: np.empty((0, 0)))
    rounds: list[RoundRecord] = field(default_factory=list)
    timings: list[Timing] = field(default_factory=list)
    solved: Equilibrium | None = None
    """Of the present pools; None after a pool has grown."""

    @property
    def id(self) -> str:
        return negotiation_id(self.topic.id, self.players, self.seed)

    async def open(self, openings: Openings) -> None:
        """Begin with these first statements and guidelines."""
        self.openings = openings.sides
        self.timings.append(Timing(0, "open", openings.seconds))
        first = [self._guideline(opening.guideline, i, 0) for i, opening in enumerate(self.openings)]
        texts = [guideline.text for guideline in first] + [opening.statement for opening in self.openings]
        vectors = await self._embed(texts, 0)
        n = len(self.players)
        self.pools = tuple(Pool(i, (first[i],), vectors[i : i + 1]) for i in range(n))
        self.opening_embeddings = vectors[n:]
        if self.listener:
            self.listener(Opened(self.id, self.topic, self.players, self.openings))

    async def play(self, number: int) -> bool:
        """One round; whether it showed that no player gains any more."""
        everyone = range(len(self.players))
        groups = [tuple(everyone)] if self.config.update == "simultaneous" else [(i,) for i in everyone]
        equilibria: list[Equilibrium] = []
        moves: list[Move] = []
        statements: tuple[str, ...] = ()
        for group in groups:
            equilibria.append(self.equilibrium(number))
            began = perf_counter()
            views = [self._view(i, number, "propose") for i in group]
            asked = together(
                self.oracles[view.player].propose(view, self.config.candidates_per_kind) for view in views
            )
            if statements:
                proposals = await asked
            else:  # The weights in words are asked for along with the first proposals: one batch, not two.
                said = together(self.oracles[i].express(self._view(i, number, "express")) for i in everyone)
                both: list[Awaitable[Any]] = [said, asked]
                statements, proposals = await together(both)
            self._clock(number, "propose", began)
            moves += await self._move(number, group, equilibria[-1], proposals)
        self._check_statements(statements, "expressed its weights with")
        self.rounds.append(RoundRecord(number, tuple(equilibria), statements, tuple(moves)))
        if self.listener:
            self.listener(self._finished(self.rounds[-1]))
        answered = all(move.candidates or not move.missing for move in moves)
        return answered and not any(move.accepted for move in moves)

    async def conclude(self, stop_reason: str, provenance: Mapping[str, str]) -> NegotiationRecord:
        """Solve the final pools, ask for the consensus statements and make the record."""
        number = len(self.rounds)
        final = self.equilibrium(number)
        began = perf_counter()
        consensus = await together(
            oracle.conclude(self._view(i, number, "conclude")) for i, oracle in enumerate(self.oracles)
        )
        self._clock(number, "conclude", began)
        self._check_statements(consensus, "stated the consensus as")
        vectors = await self._embed(consensus, number)
        record = NegotiationRecord(
            negotiation_id=self.id,
            topic=self.topic,
            players=self.players,
            seed=int(self.seed),
            config=self.config.model_dump_json(),
            terms={term.name: float(term.weight) for term in self.utility.terms},
            embedder=self.embedder.name,
            provenance=dict(provenance),
            openings=self.openings,
            rounds=tuple(self.rounds),
            pools=self.pools,
            final=final,
            consensus=consensus,
            opening_embeddings=self.opening_embeddings,
            consensus_embeddings=vectors,
            converged=stop_reason == "equilibrium",
            stop_reason=stop_reason,
            timings=tuple(self.timings),
        )
        if self.listener:
            weights = tuple(tuple(vector.tolist()) for vector in final.weights)
            self.listener(
                Concluded(
                    self.id, number, record.converged, stop_reason, final.nash_conv, weights, record.consensus
                )
            )
        return record

    def equilibrium(self, number: int) -> Equilibrium:
        """The solution of the present pools, computed once."""
        if self.solved is None:
            began = perf_counter()
            self.solved = solve_pools(
                self.pools,
                self.utility,
                self.config,
                solver_rng(self.seed, self.topic.id, self.players, self.pools),
            )
            self._clock(number, "solve", began)
        return self.solved

    async def _move(
        self, number: int, group: tuple[int, ...], faced: Equilibrium, proposals: Sequence[Proposals]
    ) -> list[Move]:
        """Value the group's candidates against one equilibrium; add each player's best if it gains enough."""
        candidates = [
            [self._guideline(draft, i, number) for draft in proposed.drafts]
            for i, proposed in zip(group, proposals, strict=True)
        ]
        texts = [guideline.text for held in candidates for guideline in held]
        vectors = await self._embed(texts, number) if texts else np.empty((0, 0))
        before, moves, start = self.pools, [], 0
        for i, held, proposed in zip(group, candidates, proposals, strict=True):
            own = vectors[start : start + len(held)]
            start += len(held)
            move = valued_move(before, i, held, own, proposed, faced, self.utility, self.config.epsilon)
            moves.append(move)
            if move.accepted:
                chosen = move.candidates.index(move.accepted)
                grown = self.pools[i].with_guideline(held[chosen], own[chosen])
                self.pools = (*self.pools[:i], grown, *self.pools[i + 1 :])
                self.solved = None
        return moves

    def _guideline(self, draft: Draft, player: int, number: int) -> Guideline:
        """A draft under the id it bears if it is added: a pool takes at most one guideline a round."""
        try:
            if number and draft.kind not in CANDIDATE_KINDS:
                raise GameError(
                    f"kind is {draft.kind!r}; a candidate's is one of {', '.join(CANDIDATE_KINDS)}"
                )
            return draft.as_guideline(f"p{player}-r{number}-{draft.kind}", player, number)
        except GameError as error:
            raise OracleError(
                f"topic {self.topic.id!r}, round {number}: the oracle of {self.players[player]!r} gave"
                f" no usable draft: {error}"
            ) from error

    def _view(self, player: int, number: int, call: str) -> TableView:
        return TableView(
            topic=self.topic,
            player=player,
            players=self.players,
            round=number,
            pools=self.pools,
            weights=self.equilibrium(number).weights,
            statement=self.openings[player].statement,
            seed=self._call_seed(player, number, call),
        )

    def _call_seed(self, player: int, number: int, call: str) -> int:
        return call_seed(self.seed, self.topic.id, self.players, self.players[player], number, call)

    async def _embed(self, texts: Sequence[str], number: int) -> NDArray[np.float64]:
        began = perf_counter()
        vectors = await embed_texts(self.embedder, texts, self.topic)
        self._clock(number, "embed", began)
        known = self.pools[0].embeddings.shape[1] if self.pools else vectors.shape[1]
        if vectors.shape[1] != known:
            raise EmbeddingError(
                f"topic {self.topic.id!r}: embedder {self.embedder.name!r} returned {vectors.shape[1]}"
                f" dimensions, after {known} before; use one embedder for a whole negotiation"
            )
        return vectors

    def _check_statements(self, statements: Sequence[str], did: str) -> None:
        for player, statement in zip(self.players, statements, strict=True):
            if not statement.strip():
                raise OracleError(
                    f"topic {self.topic.id!r}: {player!r} {did} an empty text; a statement needs words"
                )

    def _clock(self, number: int, phase: str, began: float) -> None:
        self.timings.append(Timing(number, phase, perf_counter() - began))

    def _finished(self, played: RoundRecord) -> RoundFinished:
        taken = [move.accepted for move in played.moves]
        return RoundFinished(
            negotiation_id=self.id,
            round=played.round,
            weights=tuple(tuple(vector.tolist()) for vector in played.equilibria[0].weights),
            nash_conv=played.equilibria[0].nash_conv,
            best_gains=tuple(move.best_gain for move in played.moves),
            accepted=tuple(self.pools[i].guidelines[-1] if taken[i] else None for i in range(len(taken))),
            malformed=tuple(move.malformed for move in played.moves),
        )
