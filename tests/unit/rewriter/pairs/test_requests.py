"""Requests: targets that can be reached, of the sizes asked for."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from negotiation.errors import ConfigurationError
from rewriter.pairs.config import RequestConfig, UnitConfig
from rewriter.pairs.requests import make_requests
from rewriter.pairs.units import Unit, read_units
from tests.unit.rewriter.pairs.fakes import WordDetector, write_labels


@pytest.fixture(scope="module")
def units(tmp_path_factory: pytest.TempPathFactory) -> tuple[Unit, ...]:
    folder: Path = write_labels(tmp_path_factory.mktemp("data"))
    return read_units(folder, WordDetector(), None, UnitConfig(least_characters=5)).training


CONFIG = RequestConfig(sizes=(0.4, 0.8, 1.2))


def test_sizes_lie_in_the_bins_which_are_about_alike(units: tuple[Unit, ...]) -> None:
    asked = make_requests(units, 200, 0, CONFIG)
    sizes = np.array([one.size for one in asked])
    assert len(asked) == 200
    assert ((sizes >= 0.4) & (sizes < 1.2)).all()
    assert 0.35 < (sizes < 0.8).mean() < 0.65


def test_profile_targets_are_those_of_a_unit_on_the_same_topic(units: tuple[Unit, ...]) -> None:
    for one in make_requests(units, 60, 1, CONFIG.model_copy(update={"sparse_share": 0.0})):
        assert one.kind == "profile"
        assert one.request.target in {unit.values for unit in units if unit.topic_id == one.topic_id}


def test_sparse_targets_move_few_values_to_where_some_unit_has_them(units: tuple[Unit, ...]) -> None:
    config = CONFIG.model_copy(update={"sparse_share": 1.0, "most_asked": 2})
    for one in make_requests(units, 60, 2, config):
        moved = np.flatnonzero(one.asked)
        assert one.kind == "sparse"
        assert 1 <= len(moved) <= 2
        for place in moved:
            assert one.request.target[place] in {unit.values[place] for unit in units}


def test_sources_keep_their_own_values(units: tuple[Unit, ...]) -> None:
    values = {unit.text: unit.values for unit in units}
    for one in make_requests(units, 30, 3, CONFIG):
        assert one.request.before == values[one.request.source]


def test_topics_take_turns(units: tuple[Unit, ...]) -> None:
    counts = Counter(one.topic_id for one in make_requests(units, 110, 4, CONFIG))
    assert max(counts.values()) <= 110 / len({unit.topic_id for unit in units}) + 3


def test_requests_are_a_function_of_the_seed_and_more_of_them_begin_alike(units: tuple[Unit, ...]) -> None:
    assert make_requests(units, 40, 5, CONFIG)[:15] == make_requests(units, 15, 5, CONFIG)
    assert make_requests(units, 15, 5, CONFIG) != make_requests(units, 15, 6, CONFIG)


def test_movements_that_the_units_do_not_offer_are_told() -> None:
    alike = [Unit(f"Text {number}.", 1, (0.0,) * 10) for number in range(5)]
    with pytest.raises(ConfigurationError, match="offer no movement"):
        make_requests(alike, 3, 0)


def test_bounds_of_sizes_must_rise() -> None:
    with pytest.raises(ValidationError, match="bounds must rise"):
        RequestConfig(sizes=(1.0, 0.5))
