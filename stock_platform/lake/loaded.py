"""What the fact tables were given, kept in the lake: the way back for a warehouse that is lost.

A session's published objects may be newer than what the warehouse holds of it: a blocking check
stops a load after the objects were published. So each load keeps what it loaded, beside them.

That comes after the warehouse's commit, so that nothing is kept that it refused. A load that dies
between the two is told by the mark that it made before.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from stock_platform.lake import files
from stock_platform.lake.paths import LakePaths


class DamagedError(RuntimeError):
    """What the lake keeps of something is not what was put there."""


@dataclass(frozen=True)
class Loaded:
    """What a fact table was given of a session."""

    uri: str
    rows: int


def begin(paths: LakePaths, table: str, sessions: Iterable[str]) -> None:
    """Mark the sessions of a load, before the warehouse is given any of it."""
    list(files.each(lambda it: files.write(paths.unfinished_load(table, it), b""), sessions))


def unfinished(paths: LakePaths, table: str) -> list[str]:
    """The sessions of which it is not known whether their last load was committed, ascending."""
    return files.sessions_in(paths.unfinished_loads(table))


def keep(paths: LakePaths, table: str, uris: Mapping[str, str], rows: Mapping[str, int]) -> None:
    """Keep what was loaded, and take the marks away; may be repeated.

    Args:
        paths: of the lake.
        table: the fact table.
        uris: the Parquet object of each session that has one.
        rows: how many rows each session has; its keys are the sessions that were replaced.
    """

    def keep_one(session: str) -> None:
        if session in uris:
            content = files.read(uris[session])
            files.write(paths.loaded(table, session), content)
            told = {"rows": rows[session], "sha256": hashlib.sha256(content).hexdigest()}
            files.write(paths.loaded_manifest(table, session), orjson.dumps(told))
        else:
            files.delete(paths.loaded_session(table, session))
        files.delete(paths.unfinished_load(table, session))

    list(files.each(keep_one, rows))


def sessions(paths: LakePaths, table: str) -> list[str]:
    """The sessions of which something is kept, ascending."""
    return files.sessions_in(paths.loaded_folder(table))


def read(paths: LakePaths, table: str, session: str) -> Loaded:
    """What is kept of a session.

    Raises:
        DamagedError: it is not what was loaded, byte for byte, or a part of it is missing.
    """
    uri = paths.loaded(table, session)
    try:
        told = orjson.loads(files.read(paths.loaded_manifest(table, session)))
        rows, digest = int(told["rows"]), told["sha256"]
        content = files.read(uri)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise DamagedError(
            f"an object of {paths.loaded_session(table, session)} is missing"
        ) from error
    except (orjson.JSONDecodeError, KeyError, TypeError, ValueError) as error:
        raise DamagedError(f"{paths.loaded_manifest(table, session)} cannot be read") from error
    if hashlib.sha256(content).hexdigest() != digest:
        raise DamagedError(f"{uri} is not the object that was loaded")
    if pq.read_metadata(pa.BufferReader(content)).num_rows != rows:
        raise DamagedError(f"{paths.loaded_manifest(table, session)} tells another number of rows")
    return Loaded(uri, rows)
