"""Dagster's serialised errors in few words."""

from collections.abc import Iterator
from typing import Final

from dagster_shared.error import SerializableErrorInfo

_LONGEST: Final = 500


def chain(error: SerializableErrorInfo) -> Iterator[SerializableErrorInfo]:
    """An error, and what it was raised from, down to the root."""
    cause: SerializableErrorInfo | None = error
    while cause is not None:
        yield cause
        cause = cause.cause


def summary(error: SerializableErrorInfo) -> str:
    """The root's first line: Dagster's own errors only say where it happened."""
    *_, root = chain(error)
    lines = root.message.strip().splitlines()
    return lines[0][:_LONGEST] if lines else str(root.cls_name)
