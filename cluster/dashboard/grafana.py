"""The dashboard as Grafana reads it, and where Ray has Grafana look for dashboards.

python -m cluster.dashboard.grafana        # writes the JSON that ships anew
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from cluster.dashboard.panels import ROWS, Panel, Query, Row
from negotiation.errors import ConfigurationError

SHIPPED = Path(__file__).with_name("concordat_grafana_dashboard.json")
"""The dashboard that ships."""

UID = "concordat"

WIDTH, PANEL_WIDTH, PANEL_HEIGHT = 24, 12, 8
"""Of Grafana's grid."""

OUTPUT_VARIABLE, ROOT_VARIABLE = "RAY_METRICS_GRAFANA_DASHBOARD_OUTPUT_DIR", "RAY_METRICS_OUTPUT_ROOT"
"""Environment variables by which a head node is told where Grafana's files go."""


def dashboard() -> dict[str, Any]:
    """The whole dashboard; the first rows are open."""
    panels: list[dict[str, Any]] = []
    number, top = 1, 0
    for row in ROWS:
        panels.append(
            {
                "id": number,
                "type": "row",
                "title": row.title,
                "collapsed": False,
                "gridPos": {"h": 1, "w": WIDTH, "x": 0, "y": top},
                "panels": [],
            }
        )
        number, top = number + 1, top + 1
        for place, panel in enumerate(row.panels):
            across, down = place % (WIDTH // PANEL_WIDTH), place // (WIDTH // PANEL_WIDTH)
            where = {
                "h": PANEL_HEIGHT,
                "w": PANEL_WIDTH,
                "x": across * PANEL_WIDTH,
                "y": top + down * PANEL_HEIGHT,
            }
            panels.append(_panel(number, panel, row, where))
            number += 1
        top += PANEL_HEIGHT * -(-len(row.panels) // (WIDTH // PANEL_WIDTH))
    return {
        "uid": UID,
        "title": "Concordat",
        "description": "Negotiations, agents, trainings and the server of Concordat on a Ray cluster.",
        "tags": ["concordat", "ray"],
        "schemaVersion": 39,
        "version": 1,
        "editable": True,
        "graphTooltip": 1,
        "refresh": "10s",
        "time": {"from": "now-30m", "to": "now"},
        "timezone": "",
        "annotations": {"list": []},
        "templating": {"list": _variables()},
        "panels": panels,
    }


def promql(query: Query, row: Row) -> str:
    """A query with the labels of its row."""
    return query.text.replace("...", row.labels)


def _panel(number: int, panel: Panel, row: Row, where: dict[str, int]) -> dict[str, Any]:
    axis: dict[str, Any] = {
        "unit": panel.unit,
        "custom": {"lineWidth": 1, "fillOpacity": 8, "spanNulls": True},
    }
    if panel.low is not None:
        axis["min"] = panel.low
    return {
        "id": number,
        "type": "timeseries",
        "title": panel.title,
        "description": panel.about,
        "datasource": {"type": "prometheus", "uid": "${datasource}"},
        "gridPos": where,
        "fieldConfig": {"defaults": axis, "overrides": []},
        "options": {
            "legend": {
                "displayMode": "table",
                "placement": "bottom",
                "calcs": ["lastNotNull", "mean", "max"],
            },
            "tooltip": {"mode": "multi", "sort": "desc"},
        },
        "targets": [
            {
                "refId": chr(ord("A") + k),
                "datasource": {"type": "prometheus", "uid": "${datasource}"},
                "expr": promql(query, row),
                "legendFormat": query.legend,
            }
            for k, query in enumerate(panel.queries)
        ],
    }


def _variables() -> list[dict[str, Any]]:
    source = {"type": "prometheus", "uid": "${datasource}"}
    everything = {"selected": True, "text": ["All"], "value": ["$__all"]}
    ours = '{__name__=~"ray_concordat_.+"}'
    # The last but one narrows the last: runs of the chosen sessions.
    asked = {
        "SessionName": ("Ray session", f"label_values({ours}, SessionName)"),
        "run": ("Run", 'label_values({__name__=~"ray_concordat_.+", SessionName=~"$SessionName"}, run)'),
    }
    windows = ("30s", "1m", "5m", "15m", "1h")
    return [
        {
            "name": "datasource",
            "label": "Prometheus",
            "type": "datasource",
            "query": "prometheus",
            "refresh": 1,
        },
        {
            "name": "window",
            "label": "Rates over",
            "type": "interval",
            "query": ",".join(windows),
            "options": [{"text": text, "value": text, "selected": text == "1m"} for text in windows],
            "current": {"text": "1m", "value": "1m", "selected": True},
            "auto": False,
            "refresh": 2,
        },
        *(
            {
                "name": name,
                "label": label,
                "type": "query",
                "datasource": source,
                "definition": query,
                "query": {"query": query, "refId": f"{name}-values"},
                "refresh": 2,
                "includeAll": True,
                "multi": True,
                "allValue": ".*",
                "sort": 2,
                "current": everything,
            }
            for name, (label, query) in asked.items()
        ),
    ]


def text() -> str:
    """The dashboard as it ships."""
    return json.dumps(dashboard(), indent=1, ensure_ascii=False) + "\n"


def provisioned(temp_dir: Path | None = None) -> Path:
    """The folder of this machine's head node from which Grafana takes Ray's dashboards.

    Args:
        temp_dir: that the head was started with (``--temp-dir``); None for the default.

    Raises:
        ConfigurationError: if there is no such folder.
    """
    if temp_dir is None and OUTPUT_VARIABLE in os.environ:
        folder = Path(os.environ[OUTPUT_VARIABLE])
    elif temp_dir is None and ROOT_VARIABLE in os.environ:
        folder = Path(os.environ[ROOT_VARIABLE]) / "grafana" / "dashboards"
    else:
        root = temp_dir or Path(os.environ.get("RAY_TMPDIR") or "/tmp") / "ray"  # noqa: S108 (Ray's own place)
        folder = root / "session_latest" / "metrics" / "grafana" / "dashboards"
    if not folder.is_dir():
        raise ConfigurationError(
            f"no head node keeps Grafana's files here ({folder} is no folder): run this where 'ray start --head' ran, name"
            " its --temp-dir, or write the dashboard to a file with --out"
        )
    return folder


if __name__ == "__main__":
    SHIPPED.write_text(text(), encoding="utf-8")
