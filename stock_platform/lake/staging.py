"""A finished Spark batch in its staging prefix, and its commit to the log of the processed layer.

Write, audit, commit: the Spark job writes and measures. This module verifies that the files have
the measured rows, copies them to their final names, and appends one commit, which makes all of them
exist at once. Staging is kept until then, so a commit can be repeated after an interruption.
"""

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import orjson
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from stock_platform.errors import StockPlatformError
from stock_platform.lake import files
from stock_platform.lake.commits import Commit, ConflictError, Part, SessionMetrics
from stock_platform.lake.files import CorruptObjectError
from stock_platform.lake.paths import PROCESSED_TABLES, LakePaths, ProcessedTable
from stock_platform.lake.processed import (
    VERSION_SCHEMAS,
    ProcessedState,
    append_next,
    part_uri,
    rows_by_session,
)
from stock_platform.lake.raw_runs import RawRun
from stock_platform.plain_text import pluralise

# Kinds of changes that a batch writes as versions.
WRITTEN: Final = ("new", "restated", "withdrawn")


class StagingError(StockPlatformError):
    """A staged batch is incomplete or does not match its metrics. Nothing was committed."""


@dataclass(frozen=True)
class StagedBatch:
    """A finished Spark batch before its commit.

    Attributes:
        known_from: when its versions became known, UTC.
        uri: the staging prefix.
        engine: name of the Spark engine.
        sessions: metrics of the job by session.
    """

    batch_id: str
    known_from: datetime
    uri: str
    engine: str
    sessions: Mapping[str, SessionMetrics]


@dataclass(frozen=True)
class BatchInputs:
    """What a batch has read.

    Attributes:
        runs: its raw runs.
        base: the newest batch when it read the current rows; -1 if there was none.
        securities: the securities to which it is limited; none if it is of all.
    """

    runs: Sequence[RawRun]
    base: int
    securities: Sequence[str] = ()

    @property
    def processed_runs(self) -> list[RawRun]:
        """The runs of whose sessions every record was processed."""
        if not self.securities:
            return list(self.runs)
        limit = set(self.securities)
        return [run for run in self.runs if run.securities and limit.issuperset(run.securities)]


def read_staged(batch_id: str, uri: str) -> StagedBatch:
    """Read the batch under a staging prefix.

    Raises:
        StagingError: there are no metrics, so the batch did not finish.
    """
    content = _metrics(uri)
    if not content.strip():
        raise StagingError(
            f"{uri} has no metrics.json: batch {batch_id} did not finish; run it again"
        )
    metrics = orjson.loads(content)
    known_from = datetime.fromisoformat(metrics["known_from"])
    return StagedBatch(metrics["batch_id"], known_from, uri, metrics["engine"], metrics["sessions"])


def is_staged(uri: str) -> bool:
    """Return whether a staging prefix contains a finished batch that was not committed."""
    return bool(_metrics(uri).strip())


def discard(uri: str) -> None:
    """Delete a staging prefix, its metrics first, so that no part of it can be used any more."""
    files.delete(f"{uri}/metrics.json")
    files.delete(uri)


def staged_rows(batch: StagedBatch, table: ProcessedTable) -> pa.Table:
    """Return the staged versions of a table.

    Raises:
        StagingError: they do not have the columns of the table.
    """
    found = [_read(files.read(uri), table, uri) for uri in _staged_files(batch.uri, table)]
    return pa.concat_tables([VERSION_SCHEMAS[table].empty_table(), *found])


def written_rows(metrics: SessionMetrics, table: ProcessedTable) -> int:
    """Return the number of versions of a session that the job has written."""
    return sum(int(metrics["changes"][table].get(kind, 0)) for kind in WRITTEN)


def commit(paths: LakePaths, batch: StagedBatch, inputs: BatchInputs) -> Commit:
    """Commit a batch, then delete its staging prefix.

    Raises:
        ConflictError: another batch was committed meanwhile, so this one must be run again.
        StagingError: its files do not have the rows of its metrics.
    """
    parts = _placed(paths, batch)
    done = _append(paths, batch, inputs, parts=tuple(parts))
    discard(batch.uri)
    return done


def place_parts(paths: LakePaths, batch: StagedBatch) -> list[Part]:
    """Copy the files of a batch to their final names, then delete its staging prefix.

    For a batch that was committed before: the caller commits that its parts replace others.

    Raises:
        StagingError: its files do not have the rows of its metrics.
    """
    parts = _placed(paths, batch)
    discard(batch.uri)
    return parts


def refuse(
    paths: LakePaths, batch: StagedBatch, inputs: BatchInputs, reasons: Sequence[str]
) -> Commit:
    """Record that a batch must not be committed, then delete its staging prefix.

    Raises:
        ConflictError: another batch was committed meanwhile.
    """
    done = _append(paths, batch, inputs, reasons=tuple(reasons))
    discard(batch.uri)
    return done


def _placed(paths: LakePaths, batch: StagedBatch) -> list[Part]:
    staged = list(_parts(batch))
    _audit(batch, staged)
    for found in staged:
        place(part_uri(paths, found.part), found.content)
    return [found.part for found in staged]


def _append(
    paths: LakePaths,
    batch: StagedBatch,
    inputs: BatchInputs,
    *,
    parts: tuple[Part, ...] = (),
    reasons: tuple[str, ...] = (),
) -> Commit:
    sessions = tuple(sorted(batch.sessions))

    def build(state: ProcessedState) -> Commit:
        if state.base != inputs.base:
            raise ConflictError(
                f"batch {batch.batch_id} has read the rows of commit {inputs.base}, and "
                f"{state.base} is the newest: run it again"
            )
        return Commit(
            kind="refused" if reasons else "batch",
            sequence=len(state.commits),
            batch_id=batch.batch_id,
            known_from=batch.known_from,
            runs=tuple(str(run.name) for run in inputs.processed_runs),
            open_runs=tuple(state.open_runs(inputs.processed_runs, sessions)),
            sessions=sessions,
            parts=parts,
            metrics=batch.sessions,
            engine=batch.engine,
            securities=tuple(inputs.securities),
            reasons=reasons,
        )

    return append_next(paths, build)


def _metrics(uri: str) -> bytes:
    # Spark and Sail write a folder with text files of generated names.
    fs, path = files.filesystem(f"{uri}/metrics.json")
    return b"".join(fs.cat_file(part) for part in fs.find(path) if part.endswith(".txt"))


def _staged_files(staging: str, table: ProcessedTable) -> list[str]:
    fs, path = files.filesystem(f"{staging}/{table}")
    found = [file for file in fs.find(path) if file.endswith(".parquet")]
    return [fs.unstrip_protocol(file) for file in sorted(found)]


@dataclass(frozen=True)
class _StagedPart:
    part: Part
    content: bytes
    # By session.
    rows: Mapping[str, int]


def _parts(batch: StagedBatch) -> Iterator[_StagedPart]:
    """Yield the parts of a batch, without empty files."""
    for table in PROCESSED_TABLES:
        for uri in _staged_files(batch.uri, table):
            content = files.read(uri)
            rows = _read(content, table, uri)
            if not rows.num_rows:
                continue
            part = describe_part(batch.batch_id, table, rows, content)
            if part.first_date[:4] != part.last_date[:4]:
                raise StagingError(f"{uri} has rows of more than one year")
            yield _StagedPart(part, content, rows_by_session(rows))


def describe_part(owner: str, table: ProcessedTable, rows: pa.Table, content: bytes) -> Part:
    """Return the part with these rows and this content.

    Args:
        owner: id of the batch or compaction that writes it.
        table: the processed table.
        rows: its rows, at least one.
        content: the Parquet object.
    """
    digest = hashlib.sha256(content).hexdigest()
    dates, ids = pc.min_max(rows["TradeDate"]), pc.min_max(rows["SecurityId"])
    return Part(
        table=table,
        # The digest makes a repeated attempt with other bytes another object.
        path=f"year={dates['min'].as_py().year}/{owner}.{digest[:12]}.parquet",
        rows=rows.num_rows,
        bytes=len(content),
        sha256=digest,
        first_date=dates["min"].as_py().isoformat(),
        last_date=dates["max"].as_py().isoformat(),
        first_security=ids["min"].as_py() or "",
        last_security=ids["max"].as_py() or "",
    )


def _read(content: bytes, table: ProcessedTable, uri: str) -> pa.Table:
    rows = pq.read_table(pa.BufferReader(content))
    try:
        return rows.select(VERSION_SCHEMAS[table].names).cast(VERSION_SCHEMAS[table])
    except (KeyError, ValueError) as error:
        raise StagingError(f"{uri} does not have the columns of {table}: {error}") from error


def _audit(batch: StagedBatch, staged: Iterable[_StagedPart]) -> None:
    rows = {table: Counter[str]() for table in PROCESSED_TABLES}
    for found in staged:
        rows[found.part.table].update(found.rows)
    for table, counts in rows.items():
        for session in sorted({*counts, *batch.sessions}):
            metrics = batch.sessions.get(session)
            measured = written_rows(metrics, table) if metrics else 0
            if counts[session] != measured:
                raise StagingError(
                    f"{table} of {session}: {pluralise(counts[session], 'row')} staged, "
                    f"{measured:,} measured by the job; nothing was committed, run it again"
                )


def place(uri: str, content: bytes) -> None:
    """Write a part under its final name, before the commit that lists it.

    Raises:
        CorruptObjectError: there is a changed object with its name.
    """
    try:
        files.create(uri, content)
    except FileExistsError as error:
        raise CorruptObjectError(
            f"{uri} was changed: delete the object, which no commit lists, and run the batch again"
        ) from error
