"""The published algorithm, written anew for the benchmark, with its faults and without."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.published_replay import ALGORITHMS, Faults, mirror_descent, mixed_and_rounded, solve_games
from negotiation.guideline import Guideline, Pool, unit_rows
from negotiation.metagame import PolymatrixGame
from negotiation.replay import PublishedGame
from negotiation.utility import Utility


def random_games(count: int, size: int = 4) -> list[PolymatrixGame]:
    """Own terms and a common acceptance, uniform in [0, 1]."""
    rng = np.random.default_rng(0)
    games = []
    for _ in range(count):
        acceptance = rng.random((size, size))
        own = (rng.random(size), rng.random(size))
        games.append(PolymatrixGame(own, {(0, 1): acceptance, (1, 0): acceptance.T}))
    return games


def mean_nash_conv(games: list[PolymatrixGame], faults: Faults) -> float:
    found = solve_games(games, faults)
    return float(np.mean([game.nash_conv(weights) for game, weights in zip(games, found, strict=True)]))


def test_transposed_payoffs_leave_much_to_gain() -> None:
    games = random_games(400)
    wrong = mean_nash_conv(games, Faults(transposed=True, mixed=False))
    right = mean_nash_conv(games, Faults(transposed=False, mixed=False))
    # About .26 against .002.
    assert 0.2 < wrong < 0.35
    assert right < 0.005


def test_own_terms_of_player_2_drop_out_when_transposed() -> None:
    rng = np.random.default_rng(1)
    acceptance, own = rng.random((1, 3, 3)), rng.random((1, 3))
    plain = mirror_descent(acceptance, acceptance.transpose(0, 2, 1), transposed=True)
    with_own = mirror_descent(
        acceptance, acceptance.transpose(0, 2, 1) + 5.0 * own[:, :, None], transposed=True
    )
    assert with_own[1] == pytest.approx(plain[1], abs=1e-9)
    heeded = mirror_descent(
        acceptance, acceptance.transpose(0, 2, 1) + 5.0 * own[:, :, None], transposed=False
    )
    assert heeded[1][0].argmax() == own[0].argmax()


def test_transposing_needs_equal_pools() -> None:
    first, second = np.zeros((1, 2, 3)), np.zeros((1, 3, 2))
    with pytest.raises(ValueError, match="pools of 2 and 3"):
        mirror_descent(first, second, transposed=True)
    one, other = mirror_descent(first, second, transposed=False)
    assert (one.tolist(), other.shape) == ([[0.5, 0.5]], (1, 3))


def test_games_are_solved_as_if_alone() -> None:
    games = [*random_games(3, 2), *random_games(3, 3), *random_games(2, 2)]
    together = solve_games(games, Faults())
    for game, weights in zip(games, together, strict=True):
        [alone] = solve_games([game], Faults())
        assert [vector.tolist() for vector in alone] == [vector.tolist() for vector in weights]


def test_half_is_mixed_in_and_two_decimals_are_kept() -> None:
    assert mixed_and_rounded(np.array([[1.0, 0.0]])).tolist() == [[0.75, 0.25]]
    thirds = mixed_and_rounded(np.array([[0.0, 1.0, 0.0]]))[0]
    assert thirds * 1.01 == pytest.approx([0.17, 0.67, 0.17])


def test_payoffs_ignore_the_weights_of_the_utility() -> None:
    rng = np.random.default_rng(2)
    pools = tuple(
        Pool(
            player,
            tuple(
                Guideline(
                    f"p{player}-{k}", player, k, "innovative" if k else "initial", f"heading {k}", "", ""
                )
                for k in range(3)
            ),
            unit_rows(rng.normal(size=(3, 5)), "test"),
        )
        for player in range(2)
    )
    flat = (np.full(3, 1 / 3), np.full(3, 1 / 3))
    one, other = (
        PublishedGame("row 0", 2, pools, Utility.standard(*weights), flat)  # type: ignore[arg-type]  # two pools
        for weights in ((0.5, 0.5, 0.2), (0.1, 0.9, 1.0))
    )

    def found(name: str, game: PublishedGame) -> list[list[float]]:
        return [np.asarray(vector).tolist() for vector in ALGORITHMS[name]([game])[0]]

    assert found("as published", one) == found("as published", other)
    assert found("alpha, beta, gamma heeded", one) != found("alpha, beta, gamma heeded", other)


def test_the_published_algorithm_comes_first() -> None:
    assert next(iter(ALGORITHMS)) == "as published"
