"""JSON lines on standard output, with the fields and severities of Cloud Logging.

Belongs here: how a record of Python's logging becomes a line, and which of Dagster's events are
worth one. `dagster.yaml` names both classes under `python_logs.dagster_handler_config`; what the
words mean is in docs/monitoring.md.
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

from stock_platform.observability.errors import summary
from stock_platform.observability.vocabulary import Word

_EVENT: Final = "dagster_event"
_META: Final = "dagster_meta"
# How a line of ours carries its fields through Python's logging.
FIELDS: Final = "fields"
_RANGE_TAG: Final = "dagster/asset_partition_range_start"
# Docker cuts a longer line in two, and neither half is an object any more.
_LONGEST_LINE_BYTES: Final = 15_000
_LONGEST_TEXT_BYTES: Final = 8_000


class JsonFormatter(OrjsonFormatter):
    """One JSON object a line.

    A range run's materializations each carry the facts of the whole run, and its checks are summed
    up after each session's own verdict. A cost is told once for a run and asset, and a sum has no
    word, so that what is counted and added up over the lines is true.
    """

    def __init__(self) -> None:
        super().__init__()
        self._told: set[tuple[str, ...]] = set()

    def add_fields(
        self, log_data: dict[str, Any], record: logging.LogRecord, message_dict: dict[str, Any]
    ) -> None:
        """The fields of a record; what libraries attach to it beside is left out, unseen."""
        meta: Mapping[str, Any] = getattr(record, _META, {})
        told = {
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
        log_data.update(
            {name: value for name, value in self._once(record, told).items() if value is not None}
        )

    def jsonify_log_record(self, log_data: dict[str, Any]) -> str:
        """The line; of its longest texts the middle is left out where it would be too long."""
        longest = _LONGEST_TEXT_BYTES
        while True:
            texts = {k: _cut(v, longest) for k, v in log_data.items() if isinstance(v, str)}
            line = self._line(log_data | texts)
            if len(line.encode()) <= _LONGEST_LINE_BYTES or not longest:
                return line
            longest //= 2

    def _line(self, log_data: dict[str, Any]) -> str:
        try:
            return super().jsonify_log_record(log_data)
        except TypeError:  # orjson's, of an integer of more than 64 bits, or a tuple as a key
            return json.dumps(log_data, default=str, skipkeys=True)

    def _once(self, record: logging.LogRecord, told: dict[str, Any]) -> dict[str, Any]:
        if told.get("event") is Word.MATERIALIZED and not self._first(told, "asset"):
            return told | {"usd": None, "duration_s": None}
        if told.get("event") is Word.CHECK_FAILED and _RANGE_TAG in _tags(record):
            first = self._first(told, "asset", "check")
            if not first and told["partition"] is None:
                return told | {"event": None}
        return told

    def _first(self, told: Mapping[str, Any], *names: str) -> bool:
        key = tuple(str(told[it]) for it in ("event", "run_id", *names))
        first = key not in self._told
        self._told.add(key)
        return first


class StdoutHandler(logging.StreamHandler[TextIO]):
    """Writes to the process' own standard output, and is the only one that does.

    Dagster turns standard output into a file while a step runs, and shows the file in the UI;
    lines for machines go past it. Its coloured console gets a record after the handlers that
    are configured, by the level that the record has by then (1.13, `DagsterLogHandler.emit`).
    """

    def __init__(self) -> None:
        super().__init__(process_stdout())

    def filter(self, record: logging.LogRecord) -> bool:
        """Messages of people's interest, and those of Dagster's events that have a word."""
        worth = record.levelno >= logging.INFO or "event" in event_fields(record)
        return worth and bool(super().filter(record))

    def handle(self, record: logging.LogRecord) -> bool:
        """Write a record, and leave it at a level that no console shows."""
        handled = super().handle(record)
        record.levelno = logging.NOTSET
        return handled


def event_fields(record: logging.LogRecord) -> dict[str, Any]:
    """What is told of the event of Dagster that a record carries, if it carries one."""
    event: dg.DagsterEvent | None = getattr(record, _EVENT, None)
    if event is None:
        return {}
    if event.event_type is dg.DagsterEventType.ASSET_MATERIALIZATION:
        return _materialized(event.step_materialization_data.materialization)
    if event.event_type is dg.DagsterEventType.ASSET_CHECK_EVALUATION:
        return _evaluated(event.asset_check_evaluation_data)
    error = getattr(event.event_specific_data, "error", None)
    return {"error": summary(error), "stack_trace": error.to_string()} if error else {}


def usd(metadata: Mapping[str, dg.MetadataValue[Any]]) -> float | None:
    """What metadata tells of costs, summed up."""
    costs = [it.value for name, it in metadata.items() if name.endswith("estimated_usd")]
    return round(sum(map(float, costs)), 6) if costs else None


def _materialized(it: dg.AssetMaterialization) -> dict[str, Any]:
    return {
        "severity": "INFO",
        "event": Word.MATERIALIZED,
        "asset": it.asset_key.to_user_string(),
        "partition": it.partition,
        "rows": _value(it.metadata, "dagster/row_count"),
        "duration_s": _value(it.metadata, "run_spark_seconds"),
        "usd": usd(it.metadata),
    }


def _evaluated(it: dg.AssetCheckEvaluation) -> dict[str, Any]:
    if it.passed:
        return {}
    severe = it.severity is dg.AssetCheckSeverity.ERROR
    return {
        "severity": "ERROR" if severe else "WARNING",
        "event": Word.CHECK_FAILED,
        "message": it.description,
        "asset": it.asset_key.to_user_string(),
        "check": it.check_name,
        "check_severity": it.severity.value,
        "partition": it.partition,
        "offending": _value(it.metadata, "offending"),
    }


def _value(metadata: Mapping[str, dg.MetadataValue[Any]], name: str) -> Any:  # noqa: ANN401
    return metadata[name].value if name in metadata else None


def _tags(record: logging.LogRecord) -> Mapping[str, str]:
    tags: Mapping[str, str] = getattr(record, _META, {}).get("job_tags") or {}
    return tags


def _cut(text: str, longest: int) -> str:
    """A text that UTF-8 has, of about so many bytes: how it begins, and how it ends."""
    content = text.encode(errors="backslashreplace")
    if len(content) <= longest:
        return content.decode()
    head, tail = content[: longest // 2], content[len(content) - longest // 2 :]
    return f"{head.decode(errors='ignore')} [...] {tail.decode(errors='ignore')}"


@cache
def process_stdout() -> TextIO:
    """Standard output as it is before Dagster turns it elsewhere."""
    return os.fdopen(os.dup(sys.stdout.fileno()), "w", buffering=1, encoding="utf-8")
