"""Published weights on published meta-games, by hand-computed cases."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from negotiation.errors import GameError
from negotiation.guideline import Guideline, Pool, unit_rows
from negotiation.replay import (
    GameFigures,
    PublishedGame,
    Stop,
    replay_run,
    restored_weights,
    stopping_figures,
    without_uniform,
)
from negotiation.utility import Utility


def pool(player: int, vectors: object) -> Pool:
    rows = np.asarray(vectors, dtype=np.float64)
    guidelines = tuple(
        Guideline(f"p{player}-r{k}", player, k, "innovative" if k else "initial", f"heading {k}", "", "")
        for k in range(len(rows))
    )
    return Pool(player, guidelines, rows)


def game(
    first: object,
    second: object,
    weights: tuple[list[float], list[float]],
    utility: Utility | None = None,
    number: int = 1,
) -> PublishedGame:
    utility = utility or Utility.standard(0.5, 0.5, 0.2)
    one, other = (np.array(vector) for vector in weights)
    return PublishedGame("row 0", number, (pool(0, first), pool(1, second)), utility, (one, other))


# Side a holds (1, 0) and (0, 1), side b holds (0, 1) and (1, 0). By alpha .5, beta .5, gamma .2:
#   own terms of either side: .5 * 1 + 0 = .5 for the first, .5 * 0 + .2 * 1 = .2 for the second
#   acceptance, a's in rows: [[0, 1], [1, 0]]
#   payoffs of a: [[.5, 1.0], [.7, .2]]; of b, own guideline first: [[.5, 1.0], [.7, .2]]
# At weights (.75, .25) of both: values (.625, .575), expected .6125, regret .0125 a side.
CROSSED = ([[1, 0], [0, 1]], [[0, 1], [1, 0]])


def test_two_by_two_by_hand() -> None:
    item = game(*CROSSED, ([0.75, 0.25], [0.75, 0.25]))
    assert item.game.tensor()[0] == pytest.approx(np.array([[0.5, 1.0], [0.7, 0.2]]))
    [found] = replay_run([item])
    assert found.published == pytest.approx(0.025)
    assert found.published_gain == pytest.approx(0.0125)
    # (.75, .25) without half of (.5, .5) is (1, 0): each gains .7 - .5 by its second guideline.
    assert found.unmixed == pytest.approx(0.4)
    assert found.unmixed_gain == pytest.approx(0.2)
    assert found.ours <= 1e-9
    assert found.converged
    # Against the other's first guideline, the new one is worth .7, the old one .5.
    assert found.proposal_gains == pytest.approx((0.2, 0.2))


def test_planted_equilibrium_has_no_nash_conv() -> None:
    # Payoffs [[.5, 1], [.7, .2]]: indifferent where .5 p + 1 - p = .7 p + .2 (1 - p), so p = .8.
    mixed = game(*CROSSED, ([0.8, 0.2], [0.8, 0.2]))
    assert replay_run([mixed])[0].published == pytest.approx(0.0, abs=1e-12)
    pure = game(*CROSSED, ([1.0, 0.0], [0.0, 1.0]))
    assert replay_run([pure])[0].published == pytest.approx(0.0, abs=1e-12)


def random_games(seed: int, rounds: int) -> list[PublishedGame]:
    rng = np.random.default_rng(seed)
    vectors = [unit_rows(rng.normal(size=(rounds + 1, 6)) + 0.5, "test") for _ in range(2)]
    utility = Utility.standard(*rng.uniform(0.1, 1.0, size=3))
    return [
        game(
            vectors[0][: number + 1],
            vectors[1][: number + 1],
            tuple(rng.dirichlet(np.ones(number + 1)).tolist() for _ in range(2)),  # type: ignore[arg-type]  # two of them
            utility,
            number,
        )
        for number in range(1, rounds + 1)
    ]


def swapped(item: PublishedGame) -> PublishedGame:
    one, other = item.pools
    return replace(
        item,
        pools=(replace(other, player=0), replace(one, player=1)),
        published=(item.published[1], item.published[0]),
    )


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10_000), st.integers(1, 4))
def test_sides_may_be_swapped(seed: int, rounds: int) -> None:
    items = random_games(seed, rounds)
    for here, there in zip(replay_run(items), replay_run([swapped(item) for item in items]), strict=True):
        assert there.published == pytest.approx(here.published, abs=1e-12)
        assert there.unmixed == pytest.approx(here.unmixed, abs=1e-12)
        assert here.ours <= 1e-9
        assert there.ours <= 1e-9
    # Which of several equilibria is chosen may hang on rounding; before round 1 there is one only.
    first, second = replay_run(items[:1])[0], replay_run([swapped(items[0])])[0]
    assert second.proposal_gains == pytest.approx(first.proposal_gains[::-1], abs=1e-12)


@settings(deadline=None)
@given(st.lists(st.floats(0.0, 1.0), min_size=1, max_size=8))
def test_uniform_goes_out_as_it_came_in(raw: list[float]) -> None:
    total = sum(raw)
    weights = np.array(raw) / total if total > 0 else np.full(len(raw), 1 / len(raw))
    mixed = 0.5 / len(weights) + 0.5 * weights
    assert without_uniform(mixed) == pytest.approx(weights, abs=1e-9)


def test_uniform_itself_stays_uniform() -> None:
    assert without_uniform(np.array([0.25, 0.25, 0.25, 0.25])).tolist() == [0.25] * 4


def test_shared_headings_get_the_lost_weight_back() -> None:
    headings = ["a", "b", "c", "b", "b"]
    found = restored_weights(headings, {"a": 0.2, "b": 0.3, "c": 0.1})
    assert found == pytest.approx([0.2, 0.2, 0.1, 0.2, 0.3])


def test_rounding_is_scaled_away() -> None:
    found = restored_weights(["a", "b", "c"], {"a": 0.17, "b": 0.67, "c": 0.17})
    assert found == pytest.approx(np.array([0.17, 0.67, 0.17]) / 1.01)
    assert found.sum() == pytest.approx(1.0, abs=1e-12)


@pytest.mark.parametrize(
    ("published", "told"),
    [
        ({"a": 0.5}, r"differ in the headings \['b'\]"),
        ({"a": 0.5, "b": 0.5, "c": 0.0}, r"differ in the headings \['c'\]"),
        ({"a": 1.5, "b": -0.5}, "outside"),
        ({"a": float("nan"), "b": 0.5}, "outside"),
        ({"a": 0.4, "b": 0.4}, "sum to 0.800"),
        ({"a": 0.9, "b": 0.9}, "sum to 1.800"),
        ({"a": 0.0, "b": 0.0}, "sum to 0.000"),
    ],
)
def test_broken_weights_are_told(published: dict[str, float], told: str) -> None:
    with pytest.raises(GameError, match=told):
        restored_weights(["a", "b"], published)


def test_weights_that_are_no_distribution_make_no_game() -> None:
    with pytest.raises(GameError, match="row 0, round 1"):
        game(*CROSSED, ([0.75, 0.5], [0.75, 0.25]))


def test_a_missing_round_is_told() -> None:
    with pytest.raises(GameError, match="round 1 with 2 a side was expected"):
        replay_run(random_games(0, 2)[1:])


def test_stopping_is_counted() -> None:
    def stop(fired: bool, rounds: int, gains: tuple[float, float, float], fell: float | None) -> Stop:
        published, unmixed, proposal = gains
        last = GameFigures(rounds, published, published, unmixed, unmixed, 0.0, True, (proposal, -1.0))
        return Stop(fired, rounds, last, None if fell is None else (fell, 0.0))

    found = stopping_figures(
        [
            stop(True, 2, (0.2, 0.0, -0.1), 0.3),
            stop(True, 3, (0.0, 0.01, -0.1), 0.0),
            stop(True, 2, (0.0, 0.0, 0.05), None),
            stop(True, 2, (0.009, 0.0, 0.0), -0.01),
            stop(False, 10, (0.5, 0.5, 0.5), 0.5),
        ],
        epsilon=0.01,
    )
    assert (found.runs, found.fired, found.fired_at_first_chance) == (5, 4, 3)
    assert (found.gain_by_weights, found.gain_by_weights_unmixed, found.gain_by_proposal) == (1, 1, 1)
    assert (found.gain_at_all, found.utility_fell) == (3, 1)


def test_nash_conv_is_that_of_openspiel() -> None:
    from negotiation.metagame import nash_conv_openspiel

    games = random_games(3, 3)
    for item, found in zip(games, replay_run(games), strict=True):
        assert found.published == pytest.approx(nash_conv_openspiel(item.game, item.published), abs=1e-9)
