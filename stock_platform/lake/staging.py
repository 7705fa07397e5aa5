"""A finished Spark batch in its staging prefix, and its commit to the log of the processed layer.

Write, audit, commit: the Spark job writes and measures. This module verifies that the files have
the measured rows, copies them to their final names, and appends one commit, which makes all of them
exist at once. Staging is kept until then, so a commit can be repeated after an interruption.
"""

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
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
from stock_platform.lake.processed import ProcessedState, append_next, part_uri
from stock_platform.lake.raw_runs import RawRun
from stock_platform.lake.versions import VERSION_SCHEMAS, rows_by_session
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
    """What a batch processes.

    Attributes:
        sessions: ascending.
        runs: the usable raw runs with a record of the sessions.
        securities: the securities to which it is limited; none if it is of all.
    """

    sessions: Sequence[str]
    runs: Sequence[RawRun]
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


def staged_rows(batch: StagedBatch) -> dict[ProcessedTable, pa.Table]:
    """Return the staged versions by table.

    Raises:
        StagingError: they do not have the columns of their table.
    """
    found = {table: [schema.empty_table()] for table, schema in VERSION_SCHEMAS.items()}
    for table, _, rows in _staged(batch):
        found[table].append(rows)
    return {table: pa.concat_tables(tables) for table, tables in found.items()}


def written_rows(metrics: SessionMetrics, table: ProcessedTable) -> int:
    """Return the number of versions of a session that the job has written."""
    return sum(int(metrics["changes"][table].get(kind, 0)) for kind in WRITTEN)


def commit(
    paths: LakePaths,
    batch: StagedBatch,
    inputs: BatchInputs,
    base: int,
    reasons: Sequence[str] = (),
) -> Commit:
    """Commit a batch, then delete its staging prefix.

    Args:
        paths: paths of the lake.
        batch: the batch.
        inputs: what it has processed.
        base: the newest batch when it read the current rows; -1 if there was none.
        reasons: why it is refused; then nothing of it is stored.

    Raises:
        ConflictError: another batch was committed meanwhile, so this one must be run again.
        StagingError: its files do not have the rows of its metrics.
    """
    parts = () if reasons else tuple(place_parts(paths, batch))
    sessions, processed = tuple(sorted(batch.sessions)), inputs.processed_runs
    names = tuple(str(run.name) for run in processed)

    def build(state: ProcessedState) -> Commit:
        if state.base != base:
            raise ConflictError(
                f"batch {batch.batch_id} has read the rows of commit {base}, and "
                f"{state.base} is the newest: run it again"
            )
        return Commit(
            kind="refused" if reasons else "batch",
            sequence=len(state.commits),
            batch_id=batch.batch_id,
            known_from=batch.known_from,
            runs=names,
            other_runs=tuple(str(run.name) for run in inputs.runs if str(run.name) not in names),
            open_runs=tuple(state.open_runs(processed, sessions)),
            sessions=sessions,
            parts=parts,
            metrics=batch.sessions,
            engine=batch.engine,
            securities=tuple(inputs.securities),
            reasons=tuple(reasons),
        )

    done = append_next(paths, build)
    discard(batch.uri)
    return done


def place_parts(paths: LakePaths, batch: StagedBatch) -> list[Part]:
    """Copy the files of a batch to their final names. They exist once a commit lists them.

    Raises:
        StagingError: its files do not have the rows of its metrics.
    """
    placed, counts = [], {table: Counter[str]() for table in PROCESSED_TABLES}
    for table, content, rows in _staged(batch):
        part = describe_part(batch.batch_id, table, rows, content)
        if part.first_date[:4] != part.last_date[:4]:
            raise StagingError(f"a file of {table} in {batch.uri} has rows of more than one year")
        placed.append((part, content))
        counts[table].update(rows_by_session(rows))
    _audit(batch, counts)
    for part, content in placed:
        place(part_uri(paths, part), content)
    return [part for part, _ in placed]


def _metrics(uri: str) -> bytes:
    # Spark and Sail write a folder with text files of generated names.
    fs, path = files.filesystem(f"{uri}/metrics.json")
    return b"".join(fs.cat_file(part) for part in fs.find(path) if part.endswith(".txt"))


def _staged(batch: StagedBatch) -> Iterator[tuple[ProcessedTable, bytes, pa.Table]]:
    """Yield table, content and rows of each file of a batch that is not empty."""
    for table, schema in VERSION_SCHEMAS.items():
        fs, path = files.filesystem(f"{batch.uri}/{table}")
        for file in sorted(fs.find(path)):
            if not file.endswith(".parquet"):
                continue
            content = fs.cat_file(file)
            rows = pq.read_table(pa.BufferReader(content))
            try:
                rows = rows.select(schema.names).cast(schema)
            except (KeyError, ValueError) as error:
                raise StagingError(
                    f"{file} does not have the columns of {table}: {error}"
                ) from error
            if rows.num_rows:
                yield table, content, rows


def describe_part(owner: str, table: ProcessedTable, rows: pa.Table, content: bytes) -> Part:
    """Return the part with these rows and this content.

    Args:
        owner: id of the batch or compaction that writes it.
        table: the processed table.
        rows: its rows, at least one.
        content: the Parquet object.
    """
    digest = hashlib.sha256(content).hexdigest()
    dates = pc.min_max(rows["TradeDate"])
    return Part(
        table=table,
        # The digest makes a repeated attempt with other bytes another object.
        path=f"year={dates['min'].as_py().year}/{owner}.{digest[:12]}.parquet",
        rows=rows.num_rows,
        sha256=digest,
        first_date=dates["min"].as_py().isoformat(),
        last_date=dates["max"].as_py().isoformat(),
    )


def _audit(batch: StagedBatch, counts: Mapping[ProcessedTable, Counter[str]]) -> None:
    """Require that the staged rows per table and session are those that the job has measured."""
    for table, found in counts.items():
        for session in sorted({*found, *batch.sessions}):
            metrics = batch.sessions.get(session)
            measured = written_rows(metrics, table) if metrics else 0
            if found[session] != measured:
                raise StagingError(
                    f"{table} of {session}: {pluralise(found[session], 'row')} staged, "
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
