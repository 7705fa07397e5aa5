"""JSON log lines on standard output, with the fields and severities of Cloud Logging.

Belongs here: how a log record becomes a line, and which of Dagster's events are written.
`dagster.yaml` names both classes under `python_logs.dagster_handler_config`; docs/monitoring.md
describes the fields.
"""

import json
import logging
import os
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from typing import Any, Final, TextIO

import dagster as dg
from pythonjsonlogger.orjson import OrjsonFormatter

from stock_platform.orchestration.dagster_internals.console import WRITTEN_ATTRIBUTE
from stock_platform.orchestration.monitoring.event_names import EventName
from stock_platform.orchestration.monitoring.failure_reasons import error_summary

# The attribute of a log record that carries the fields of one of our own lines.
FIELDS: Final = "fields"
_EVENT: Final = "dagster_event"
_META: Final = "dagster_meta"
_RANGE_TAG: Final = "dagster/asset_partition_range_start"
# Docker splits longer lines, and neither half would be valid JSON.
_MAX_LINE_BYTES: Final = 15_000
_MAX_TEXT_BYTES: Final = 8_000


class JsonFormatter(OrjsonFormatter):
    """Format a record as one line of JSON.

    In a range run, the materialization of every session carries the cost of the whole run, and each
    check adds a summary to the results per session. To keep sums and counts over lines correct, the
    cost is written once per run and asset, and the summary is not an event.
    """

    def __init__(self) -> None:
        super().__init__()
        self._seen: set[tuple[str, ...]] = set()

    def add_fields(
        self, log_data: dict[str, Any], record: logging.LogRecord, message_dict: dict[str, Any]
    ) -> None:
        """Add the fields of a record, without anything that a library has attached to it."""
        meta: Mapping[str, Any] = getattr(record, _META, {})
        fields = {
            "severity": record.levelname,
            "message": meta.get("orig_message") or record.getMessage(),
            "timestamp": datetime.fromtimestamp(record.created, UTC),
            "job": meta.get("job_name"),
            "run_id": meta.get("run_id"),
            "step": meta.get("step_key"),
            "stack_trace": message_dict.get("exc_info"),
            **getattr(record, FIELDS, {}),
            **event_fields(record),
        }
        fields = self._without_repetition(record, fields)
        log_data.update({name: value for name, value in fields.items() if value is not None})

    def jsonify_log_record(self, log_data: dict[str, Any]) -> str:
        """Return the line; if it is too long, without the middle of its longest texts."""
        max_bytes = _MAX_TEXT_BYTES
        while True:
            texts = {
                name: _shorten(value, max_bytes)
                for name, value in log_data.items()
                if isinstance(value, str)
            }
            line = self._line(log_data | texts)
            if len(line.encode()) <= _MAX_LINE_BYTES or not max_bytes:
                return line
            max_bytes //= 2

    def _line(self, log_data: dict[str, Any]) -> str:
        try:
            return super().jsonify_log_record(log_data)
        except TypeError:  # raised by orjson for integers above 64 bits and tuples as keys
            return json.dumps(log_data, default=str, skipkeys=True)

    def _without_repetition(
        self, record: logging.LogRecord, fields: dict[str, Any]
    ) -> dict[str, Any]:
        event = fields.get("event")
        if event is EventName.MATERIALIZED and not self._is_first(fields, "asset"):
            return fields | {"usd": None, "duration_s": None}
        if event is EventName.CHECK_FAILED and _RANGE_TAG in _tags(record):
            is_first = self._is_first(fields, "asset", "check")
            if not is_first and fields["partition"] is None:
                return fields | {"event": None}
        return fields

    def _is_first(self, fields: Mapping[str, Any], *names: str) -> bool:
        key = tuple(str(fields[name]) for name in ("event", "run_id", *names))
        is_first = key not in self._seen
        self._seen.add(key)
        return is_first


class StdoutHandler(logging.StreamHandler[TextIO]):
    """Write to the process's own standard output.

    Dagster redirects standard output to a file while a step runs, and shows the file in the UI.
    Lines for machines bypass it.
    """

    def __init__(self) -> None:
        super().__init__(process_stdout())

    def filter(self, record: logging.LogRecord) -> bool:
        """Keep messages from INFO on, and the events of Dagster that have a name of ours."""
        is_wanted = record.levelno >= logging.INFO or "event" in event_fields(record)
        return is_wanted and bool(super().filter(record))

    def handle(self, record: logging.LogRecord) -> bool:
        """Write a record, and keep Dagster's console from repeating it."""
        setattr(record, WRITTEN_ATTRIBUTE, True)
        return super().handle(record)


def event_fields(record: logging.LogRecord) -> dict[str, Any]:
    """Return the fields of the Dagster event in a record, if there is one."""
    event: dg.DagsterEvent | None = getattr(record, _EVENT, None)
    if event is None:
        return {}
    if event.event_type is dg.DagsterEventType.ASSET_MATERIALIZATION:
        return _materialization_fields(event.step_materialization_data.materialization)
    if event.event_type is dg.DagsterEventType.ASSET_CHECK_EVALUATION:
        return _check_fields(event.asset_check_evaluation_data)
    error = getattr(event.event_specific_data, "error", None)
    return {"error": error_summary(error), "stack_trace": error.to_string()} if error else {}


def estimated_usd(metadata: Mapping[str, dg.MetadataValue[Any]]) -> float | None:
    """Return the sum of the estimated costs in metadata."""
    costs = [value.value for name, value in metadata.items() if name.endswith("estimated_usd")]
    return round(sum(map(float, costs)), 6) if costs else None


def _materialization_fields(materialization: dg.AssetMaterialization) -> dict[str, Any]:
    return {
        "severity": "INFO",
        "event": EventName.MATERIALIZED,
        "asset": materialization.asset_key.to_user_string(),
        "partition": materialization.partition,
        "rows": _value(materialization.metadata, "dagster/row_count"),
        "duration_s": _value(materialization.metadata, "run_spark_seconds"),
        "usd": estimated_usd(materialization.metadata),
    }


def _check_fields(evaluation: dg.AssetCheckEvaluation) -> dict[str, Any]:
    if evaluation.passed:
        return {}
    is_error = evaluation.severity is dg.AssetCheckSeverity.ERROR
    return {
        "severity": "ERROR" if is_error else "WARNING",
        "event": EventName.CHECK_FAILED,
        "message": evaluation.description,
        "asset": evaluation.asset_key.to_user_string(),
        "check": evaluation.check_name,
        "check_severity": evaluation.severity.value,
        "partition": evaluation.partition,
        "offending": _value(evaluation.metadata, "offending"),
    }


def _value(metadata: Mapping[str, dg.MetadataValue[Any]], name: str) -> Any:  # noqa: ANN401
    return metadata[name].value if name in metadata else None


def _tags(record: logging.LogRecord) -> Mapping[str, str]:
    tags: Mapping[str, str] = getattr(record, _META, {}).get("job_tags") or {}
    return tags


def _shorten(text: str, max_bytes: int) -> str:
    """Return a text that UTF-8 can encode, without its middle if it is too long."""
    content = text.encode(errors="backslashreplace")
    if len(content) <= max_bytes:
        return content.decode()
    head, tail = content[: max_bytes // 2], content[len(content) - max_bytes // 2 :]
    return f"{head.decode(errors='ignore')} [...] {tail.decode(errors='ignore')}"


@cache
def process_stdout() -> TextIO:
    """Return standard output as it was before Dagster redirected it."""
    return os.fdopen(os.dup(sys.stdout.fileno()), "w", buffering=1, encoding="utf-8")
