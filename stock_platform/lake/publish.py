"""Publication of a processed batch: from its staging prefix to the partitions, by session.

Write, audit, publish: the Spark job writes and measures, this module verifies that the files have
the measured rows and then replaces the objects of each session. Staging is kept until all
sessions are published, so publication can be repeated after an interruption.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import orjson
import pyarrow.parquet as pq

from stock_platform.errors import StockPlatformError
from stock_platform.lake import files
from stock_platform.lake.paths import PROCESSED_TABLES, LakePaths, ProcessedTable
from stock_platform.plain_text import pluralise

SessionMetrics = Mapping[str, Any]

# A session with one of them was published, though the other may be lost.
_OBJECTS: Final = ("part-00000.parquet", "_manifest.json")


class PublishError(StockPlatformError):
    """A staged batch does not match its metrics. Nothing of the session was published."""


@dataclass(frozen=True)
class StagedBatch:
    """A finished Spark batch before its publication.

    Attributes:
        uri: the staging prefix.
        engine: name of the Spark engine.
        sessions: metrics of the job by session.
    """

    batch_id: str
    uri: str
    engine: str
    sessions: Mapping[str, SessionMetrics]


@dataclass(frozen=True)
class ProcessedSession:
    """A published session: its manifest and its objects."""

    manifest: Mapping[str, Any]
    objects: Mapping[ProcessedTable, str]


def read_staged(batch_id: str, uri: str) -> StagedBatch:
    """Read the batch under a staging prefix.

    Raises:
        PublishError: there are no metrics, so the batch did not finish.
    """
    content = _metrics(uri)
    if not content.strip():
        raise PublishError(
            f"{uri} has no metrics.json: batch {batch_id} did not finish; run it again"
        )
    metrics = orjson.loads(content)
    return StagedBatch(batch_id, uri, metrics["engine"], metrics["sessions"])


def is_staged(uri: str) -> bool:
    """Return whether a staging prefix contains a finished, unpublished batch."""
    return bool(_metrics(uri).strip())


def _invalidate(uri: str) -> None:
    """Mark a staging prefix as unfinished, so that it cannot be used any more."""
    files.delete(f"{uri}/metrics.json")


def _metrics(uri: str) -> bytes:
    # Spark and Sail write a folder with text files of generated names.
    fs, path = files.filesystem(f"{uri}/metrics.json")
    return b"".join(fs.cat_file(part) for part in fs.find(path) if part.endswith(".txt"))


def publish(paths: LakePaths, batch: StagedBatch) -> Iterator[tuple[str, ProcessedSession]]:
    """Publish the sessions of a batch concurrently, then delete its staging prefix.

    Yields the sessions in order, each after its publication.

    If the rows of a session equal the published ones, BatchId aside, only its metrics are written
    again: the rows keep the id of the batch that first produced them.

    Raises:
        PublishError: the files of a session do not have the rows given in its metrics.
    """
    staged = {table: _staged_files(batch.uri, table) for table in PROCESSED_TABLES}

    def publish_one(session: str) -> tuple[str, ProcessedSession]:
        sources = {table: found[session] for table, found in staged.items() if session in found}
        return session, _publish_session(paths, batch, session, sources)

    try:
        yield from files.map_concurrently(publish_one, sorted(batch.sessions))
    except PublishError:
        _invalidate(batch.uri)
        raise
    _invalidate(batch.uri)
    files.delete(batch.uri)


def _publish_session(
    paths: LakePaths, batch: StagedBatch, session: str, sources: Mapping[ProcessedTable, str]
) -> ProcessedSession:
    metrics = batch.sessions[session]
    _audit(session, metrics, sources)
    if _is_published(paths, session, sources):
        # More runs may have been read, so the counts may differ.
        manifest = {**read_published(paths, session).manifest, "metrics": metrics}
    else:
        # A session without a manifest does not exist: if the process dies here, readers reject
        # the session until it is published completely.
        files.delete(paths.manifest(session))
        for table in PROCESSED_TABLES:
            if table in sources:
                files.copy(sources[table], paths.processed(table, session))
            else:
                files.delete(paths.processed(table, session))
        manifest = {
            "session": session,
            "batch_id": batch.batch_id,
            "engine": batch.engine,
            "tables": sorted(sources),
            "metrics": metrics,
        }
    files.write(paths.manifest(session), orjson.dumps(manifest))
    return read_published(paths, session)


def published_sessions(paths: LakePaths) -> list[str]:
    """Return the sessions with processed prices, ascending, by one listing of the lake."""
    return files.list_sessions_with(paths.processed_prices_folder(), *_OBJECTS)


def read_published(paths: LakePaths, session: str) -> ProcessedSession:
    """Read a published session.

    Raises:
        FileNotFoundError: the session is not published.
    """
    manifest = orjson.loads(files.read(paths.manifest(session)))
    objects = {table: paths.processed(table, session) for table in manifest["tables"]}
    return ProcessedSession(manifest, objects)


def expected_rows(metrics: SessionMetrics) -> dict[ProcessedTable, int]:
    """Return the number of rows per table according to a session's metrics."""
    return {
        "stock_prices": metrics["valid"],
        "corporate_actions": metrics["corporate_actions"],
        "quarantine": sum(metrics["quarantined"].values()) + metrics["bad_corporate_actions"],
    }


def _is_published(paths: LakePaths, session: str, sources: Mapping[ProcessedTable, str]) -> bool:
    """Return whether the published rows equal the staged ones, BatchId aside."""
    if not files.exists(paths.manifest(session)):
        return False
    published = read_published(paths, session)
    if set(published.objects) != set(sources):
        return False
    return all(
        files.exists(published.objects[table])
        and _rows(published.objects[table]).equals(_rows(sources[table]))
        for table in sources
    )


def _rows(uri: str) -> Any:  # noqa: ANN401 - pyarrow has no types
    fs, path = files.filesystem(uri)
    with fs.open(path, "rb") as file:
        rows = pq.read_table(file)
    return rows.drop_columns([name for name in ("BatchId",) if name in rows.column_names])


def _staged_files(staging: str, table: ProcessedTable) -> dict[str, str]:
    fs, path = files.filesystem(f"{staging}/{table}")
    found: dict[str, str] = {}
    for file in fs.find(path):
        if not file.endswith(".parquet"):
            continue
        session = file.rsplit("/", 2)[1].removeprefix("date=")
        if session in found:
            raise PublishError(f"{table} of {session} is in more than one file under {staging}")
        found[session] = fs.unstrip_protocol(file)
    return found


def _audit(session: str, metrics: SessionMetrics, sources: Mapping[ProcessedTable, str]) -> None:
    for table, expected in expected_rows(metrics).items():
        rows = row_count(sources[table]) if table in sources else 0
        if rows != expected:
            raise PublishError(
                f"{table} of {session}: {pluralise(rows, 'row')} staged, {expected:,} measured by "
                "the job; nothing of this session was published, run it again"
            )


def row_count(uri: str) -> int:
    """Return the number of rows of a Parquet object, read from its footer."""
    fs, path = files.filesystem(uri)
    with fs.open(path, "rb") as file:
        rows: int = pq.read_metadata(file).num_rows
    return rows
