"""What a query of PromQL asks for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import promql_parser

WINDOW, EVERYTHING = "1m", ".*"


@dataclass(frozen=True)
class Asked:
    """Names of series, and labels that are matched or grouped by."""

    names: frozenset[str]
    labels: frozenset[str]


def asked(query: str) -> Asked:
    """Of a query of the dashboard, its variables filled in; ``ValueError`` if it is no PromQL."""
    filled = query.replace("$window", WINDOW).replace("$SessionName", EVERYTHING).replace("$run", EVERYTHING)
    assert "$" not in filled, query
    names: set[str] = set()
    labels: set[str] = set()

    def visit(node: Any) -> None:
        if isinstance(node, promql_parser.VectorSelector):
            names.add(node.name)
            labels.update(matcher.name for matcher in node.matchers.matchers)
        modifier = getattr(node, "modifier", None)
        if isinstance(node, promql_parser.AggregateExpr) and modifier is not None:
            labels.update(modifier.labels)
        for part in ("lhs", "rhs", "expr", "vector_selector", "param"):
            inner = getattr(node, part, None)
            if inner is not None:
                visit(inner)
        for argument in getattr(node, "args", None) or ():
            visit(argument)

    visit(promql_parser.parse(filled))
    return Asked(frozenset(names), frozenset(labels - {"le"}))
