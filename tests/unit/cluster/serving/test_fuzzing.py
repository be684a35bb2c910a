"""Requests made from the OpenAPI document, against the routes over stand-ins: none may end in a 5xx.

``CONCORDAT_FUZZ`` sets how many requests each of the cases gets; 90 make more than 2,000.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from cluster.serving.examples import EXAMPLES, STREAMS

COUNT = int(os.environ.get("CONCORDAT_FUZZ", "5"))
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]


OPERATIONS = sorted({*EXAMPLES, *STREAMS})
RIGHT, WRONG = GenerationMode.POSITIVE, GenerationMode.NEGATIVE
CASES = [(name, RIGHT) for name in OPERATIONS]
CASES += [
    (name, WRONG) for name in OPERATIONS if name.startswith("POST")
]  # in the others little can be wrong


@pytest.mark.parametrize(
    ("name", "mode"), CASES, ids=[f"{name}-{'right' if mode is RIGHT else 'wrong'}" for name, mode in CASES]
)
def test_requests_of_any_kind_are_answered_as_described(
    serving: Callable[..., Any], name: str, mode: GenerationMode
) -> None:
    method, _, path = name.partition(" ")
    with serving() as client:
        document = schemathesis.openapi.from_asgi("/openapi.json", client.app)
        operation = document[path][method]

        @given(case=operation.as_strategy(generation_mode=mode))
        @settings(
            max_examples=COUNT,
            deadline=None,
            derandomize=True,
            database=None,
            suppress_health_check=list(HealthCheck),
        )
        def check(case: Any) -> None:
            case.validate_response(case.call(), checks=CHECKS)

        check()
