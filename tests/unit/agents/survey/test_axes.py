"""Axes of the culture map: kept with profiles, and the same projection for people and for others."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from agents.survey.distributions import Sample
from agents.survey.profile import MAP_AXES, CultureProfile, MapAxes, load_axes, load_profiles, save_profiles
from agents.survey.scores import fit_culture_map, places


def people(rng: np.random.Generator, shift: float) -> tuple[np.ndarray, Sample]:
    """Answers with two common causes, and equal weights."""
    causes = rng.normal(shift, 1.0, size=(300, 2))
    loadings = rng.normal(size=(2, 10)) * 0.2 + np.tile(np.eye(2), 5)
    return causes @ loadings + rng.normal(size=(300, 10)), Sample.of(np.ones(300), np.arange(300))


def test_a_projection_of_means_is_the_place_of_the_people() -> None:
    rng = np.random.default_rng(0)
    samples = [people(rng, shift) for shift in (-1.0, 0.0, 1.0)]
    fitted = fit_culture_map(samples)
    for values, sample in samples:
        figures = fitted.place(values, sample, "made up")
        found = places(fitted.axes, values.mean(axis=0))
        assert found.tolist() == pytest.approx([figures[name].value for name in MAP_AXES])
        assert places(fitted.axes, values).mean(axis=0).tolist() == pytest.approx(found.tolist())


def test_axes_are_kept_with_profiles(tmp_path: Path) -> None:
    axes = fit_culture_map([people(np.random.default_rng(1), 0.0)]).axes
    path = tmp_path / "profiles.json"
    profiles = {"here": CultureProfile(culture="here")}
    save_profiles(profiles, path, axes)
    assert load_axes(path) == axes
    assert load_profiles(path) == profiles
    save_profiles(profiles, path)
    assert load_axes(path) is None
    assert "axes" not in path.read_text(encoding="utf-8")


def test_axes_that_are_none_are_refused() -> None:
    good = {"means": [0.0] * 10, "deviations": [1.0] * 10, "coefficients": [(0.1, 0.2)] * 10}
    MapAxes.model_validate(good)
    for wrong in ({"means": [0.0] * 9}, {"deviations": [0.0] * 10}, {"coefficients": [(0.1,)] * 10}):
        with pytest.raises(ValidationError):
            MapAxes.model_validate(good | wrong)
