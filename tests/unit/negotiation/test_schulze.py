"""The Schulze method against published elections and its known properties."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from negotiation.errors import GameError
from negotiation.schulze import break_tie, pairwise_defeats, schulze


def ballots(counts: Mapping[str, int], names: str) -> np.ndarray:
    """(V, K) ranks from orders such as ``"ACBED"`` with their numbers of voters."""
    return np.array(
        [[order.index(n) for n in names] for order, voters in counts.items() for _ in range(voters)]
    )


# Schulze 2011, section 3, example 1 (21 voters). No Condorcet winner; d wins by paths over b.
PAPER = ballots({"acdb": 8, "badc": 2, "cdba": 4, "dbac": 4, "dcba": 3}, "abcd")
# The example of 45 voters that the method is usually explained by. E wins.
FORTY_FIVE = ballots(
    {"ACBED": 5, "ADECB": 5, "BEDAC": 8, "CABED": 3, "CAEBD": 7, "CBADE": 2, "DCEBA": 7, "EBADC": 8}, "ABCDE"
)


def test_the_papers_first_example():
    vote = schulze(PAPER)
    assert vote.defeats.tolist() == [[0, 8, 14, 10], [13, 0, 6, 2], [7, 15, 0, 12], [11, 19, 9, 0]]
    assert vote.paths.tolist() == [[0, 14, 14, 12], [13, 0, 13, 12], [13, 15, 0, 12], [13, 19, 13, 0]]
    assert vote.winners == (3,)
    assert vote.ranking.tolist() == [1, 3, 2, 0]  # d > a > c > b


def test_the_example_of_forty_five_voters():
    vote = schulze(FORTY_FIVE)
    assert vote.defeats.tolist() == [
        [0, 20, 26, 30, 22],
        [25, 0, 16, 33, 18],
        [19, 29, 0, 17, 24],
        [15, 12, 28, 0, 14],
        [23, 27, 21, 31, 0],
    ]
    assert vote.paths.tolist() == [
        [0, 28, 28, 30, 24],
        [25, 0, 28, 33, 24],
        [25, 29, 0, 29, 24],
        [25, 28, 28, 0, 24],
        [25, 28, 28, 31, 0],
    ]
    assert vote.winners == (4,)
    assert vote.ranking.tolist() == [1, 3, 2, 4, 0]  # E > A > C > B > D


def test_two_voters_who_disagree_leave_all_that_is_not_dominated():
    # Candidate 2 is worse for both than candidate 0; 0 and 1 are each the best of one.
    vote = schulze([[0, 1, 2], [1, 0, 2]])
    assert vote.winners == (0, 1)
    assert vote.ranking.tolist() == [0, 0, 1]


def test_ties_give_no_vote():
    vote = schulze([[0, 0, 1], [1, 1, 0], [0, 0, 0]])
    assert vote.defeats.tolist() == [[0, 0, 1], [0, 0, 1], [1, 1, 0]]
    assert not vote.paths.any()
    assert vote.winners == (0, 1, 2)
    assert schulze([[4.5]]).winners == (0,)


def _orders(most: int = 5) -> st.SearchStrategy[np.ndarray]:
    sizes = st.tuples(st.integers(1, 6), st.integers(2, most))
    return sizes.flatmap(
        lambda size: st.lists(
            st.lists(st.integers(0, 3), min_size=size[1], max_size=size[1]),
            min_size=size[0],
            max_size=size[0],
        ).map(np.array)
    )


@given(_orders())
def test_a_condorcet_winner_wins_alone_and_a_condorcet_loser_never(ranks):
    defeats = pairwise_defeats(ranks)
    margins = defeats - defeats.T + np.eye(len(defeats), dtype=int)
    vote = schulze(ranks)
    for candidate, row in enumerate(margins):
        if (row > 0).all():
            assert vote.winners == (candidate,)
    for candidate, column in enumerate(margins.T):
        if (column > 0).sum() == len(column) and len(column) > 1:
            assert candidate not in vote.winners


@given(_orders(), st.randoms(use_true_random=False))
def test_names_and_order_of_voters_do_not_matter(ranks, random):
    names = list(range(ranks.shape[1]))
    random.shuffle(names)
    voters = list(range(len(ranks)))
    random.shuffle(voters)
    vote, again = schulze(ranks), schulze(ranks[voters][:, names])
    assert again.defeats.tolist() == vote.defeats[np.ix_(names, names)].tolist()
    assert again.ranking.tolist() == vote.ranking[names].tolist()
    # Only the order within a ballot counts.
    assert schulze(3.0 * ranks - 7).paths.tolist() == vote.paths.tolist()


@given(_orders(), st.integers(0, 4))
def test_a_clone_changes_nothing_for_the_others(ranks, which):
    which %= ranks.shape[1]
    vote = schulze(ranks)
    cloned = schulze(np.hstack([ranks, ranks[:, which : which + 1]]))
    assert cloned.ranking[:-1].tolist() == vote.ranking.tolist()
    assert cloned.ranking[-1] == vote.ranking[which]


@given(_orders())
def test_who_is_worse_for_everybody_does_not_win(ranks):
    vote = schulze(ranks)
    for better in range(ranks.shape[1]):
        for worse in np.flatnonzero((ranks[:, better, None] < ranks).all(axis=0)):
            assert vote.ranking[better] < vote.ranking[worse]


def test_ties_go_to_the_best_worst_rank_then_to_the_best_sum_then_to_the_first():
    ranks = [[0, 1, 2, 3], [3, 2, 1, 0]]
    assert schulze(ranks).winners == (0, 1, 2, 3)
    assert break_tie(ranks, (0, 1, 2, 3)) == 1
    assert break_tie(ranks, (0, 2, 3)) == 2
    assert break_tie(ranks, (0, 3)) == 0
    assert break_tie([[1, 1, 0], [0, 1, 1]], (0, 1, 2)) == 0
    assert break_tie([[1, 1, 0], [0, 1, 1]], (1, 2)) == 2


@pytest.mark.parametrize("ranks", [[], [[]], [0, 1], [[0.0, np.nan]], [[0.0, np.inf]]])
def test_what_is_no_vote(ranks):
    with pytest.raises(GameError):
        schulze(ranks)
