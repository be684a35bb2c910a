"""What is wrong with a file, in the words of the model that it was checked against."""

from __future__ import annotations

from pydantic import ValidationError


def faults_of(error: ValidationError, whole: str) -> str:
    """All faults as ``place: what``, joined by semicolons; ``whole`` is the place of a fault of the whole.

    >>> from pydantic import TypeAdapter
    >>> try:
    ...     TypeAdapter(list[int]).validate_python([1, "x"])
    ... except ValidationError as error:
    ...     faults_of(error, "file").split(",")[0]
    '1: Input should be a valid integer'
    """
    return "; ".join(
        f"{'.'.join(str(part) for part in fault['loc']) or whole}: {fault['msg']}" for fault in error.errors()
    )
