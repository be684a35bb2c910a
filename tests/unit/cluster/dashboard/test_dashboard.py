"""The Grafana dashboard: whole, and made of questions that Prometheus understands."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest

from cluster.dashboard.grafana import SHIPPED, UID, dashboard, promql, provisioned, text
from cluster.dashboard.panels import OF_RUN, ROWS, Query, Row
from negotiation.errors import ConfigurationError
from tests.promql import asked
from tests.unit.cluster.jobs.conftest import Said, concordat

__all__ = ["concordat"]  # a fixture

QUERIES = [(row, panel, query) for row in ROWS for panel in row.panels for query in panel.queries]


def drawn() -> list[dict[str, Any]]:
    return [panel for panel in dashboard()["panels"] if panel["type"] == "timeseries"]


def test_what_ships_is_what_the_panels_say() -> None:
    assert SHIPPED.read_text() == text(), "run: python -m cluster.dashboard.grafana"


@pytest.mark.parametrize(
    ("row", "panel", "query"), QUERIES, ids=[f"{p.title}-{k}" for k, (_, p, _) in enumerate(QUERIES)]
)
def test_each_query_parses_and_asks_for_our_series(row: Row, panel: Any, query: Query) -> None:
    found = asked(promql(query, row))
    assert found.names
    assert all(name.startswith("ray_concordat_") for name in found.names)
    assert "SessionName" in found.labels
    legend = set(query.legend.replace("}}", "{{").split("{{")[1::2])
    assert legend <= found.labels, "the legend names labels that the query has summed away"
    assert ("run" in legend) == (row.labels == OF_RUN)


def test_a_query_that_is_none_is_noticed() -> None:
    with pytest.raises(ValueError, match="parenthesis"):
        asked('sum(rate(ray_concordat_rounds_total{run=~"$run"}[$window])')


def test_panels_have_numbers_of_their_own_and_do_not_overlap() -> None:
    panels = dashboard()["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    for one, other in combinations([panel["gridPos"] for panel in panels], 2):
        apart = (
            one["x"] + one["w"] <= other["x"]
            or other["x"] + other["w"] <= one["x"]
            or one["y"] + one["h"] <= other["y"]
            or other["y"] + other["h"] <= one["y"]
        )
        assert apart, (one, other)
    assert all(panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24 for panel in panels)


def test_titles_are_different_and_all_say_what_they_show() -> None:
    titles = [panel["title"] for panel in drawn()]
    assert len(set(titles)) == len(titles) == sum(len(row.panels) for row in ROWS)
    assert all(panel["description"].endswith(".") for panel in drawn())


def test_variables_that_queries_use_are_there() -> None:
    known = {variable["name"] for variable in dashboard()["templating"]["list"]}
    assert known == {"datasource", "window", "SessionName", "run"}
    assert {panel["datasource"]["uid"] for panel in drawn()} == {"${datasource}"}
    window = next(one for one in dashboard()["templating"]["list"] if one["name"] == "window")
    assert window["current"]["value"] in window["query"].split(",")


def test_the_command_writes_it_to_a_file_and_into_a_folder(
    concordat: Callable[..., Said], tmp_path: Path
) -> None:
    said = concordat("dashboard", "--out", tmp_path / "deep" / "mine.json", "--json")
    assert said.status == 0
    assert json.loads(Path(said.json["dashboard"]).read_text())["uid"] == UID
    said = concordat("dashboard", "--out", tmp_path)
    assert said.status == 0
    assert (tmp_path / SHIPPED.name).read_text() == text()
    (tmp_path / "file").write_text("")
    assert concordat("dashboard", "--out", tmp_path / "file" / "mine.json").status == 2


def test_it_goes_where_the_head_node_keeps_grafanas_files(
    concordat: Callable[..., Said], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("RAY_METRICS_GRAFANA_DASHBOARD_OUTPUT_DIR", "RAY_METRICS_OUTPUT_ROOT"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(ConfigurationError, match="--temp-dir"):
        provisioned(tmp_path)
    folder = tmp_path / "session_latest/metrics/grafana/dashboards"
    folder.mkdir(parents=True)
    said = concordat("dashboard", "--temp-dir", tmp_path)
    assert said.status == 0
    assert "/d/concordat" in said.out
    assert (folder / SHIPPED.name).exists()
    monkeypatch.setenv("RAY_METRICS_OUTPUT_ROOT", str(folder.parents[1]))
    assert provisioned() == folder
    monkeypatch.setenv("RAY_METRICS_GRAFANA_DASHBOARD_OUTPUT_DIR", str(tmp_path))
    assert provisioned() == tmp_path
