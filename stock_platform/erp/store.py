"""ERP data in the lake: each file as it came, its rejected rows, and the records after its load."""

import gzip
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from stock_platform.erp.ledger import LoadRecord
from stock_platform.errors import StockPlatformError
from stock_platform.lake import files
from stock_platform.lake.files import CorruptObjectError
from stock_platform.lake.paths import ErpKind, LakePaths


class NoErpFileError(StockPlatformError, FileNotFoundError):
    """No ERP file of a kind was ever loaded."""

    @classmethod
    def of(cls, paths: LakePaths, kind: ErpKind) -> Self:
        """Return the error of a kind, with what to do."""
        return cls(
            f"no {kind} were loaded yet: drop the ERP's export into {paths.landing(kind)} and "
            f"materialize raw_erp_{kind} (`make demo` drops a sample)"
        )


@dataclass(frozen=True)
class ErpSnapshot:
    """Everything that is known of a kind.

    Attributes:
        load_key: name and generation of the file that was merged last.
        records: as described in `stock_platform.erp.history`.
        rejected: rows of that file that were rejected: line, reason, key and text.
    """

    kind: ErpKind
    load_key: str
    records: pa.Table
    rejected: Sequence[Mapping[str, Any]]


def source_uri(paths: LakePaths, kind: ErpKind, key: str) -> str:
    """URI of a file as it came."""
    return f"{paths.raw_erp(kind, key)}/source"


def keep_file(paths: LakePaths, kind: ErpKind, key: str, file: Path) -> None:
    """Keep a file as it came."""
    files.upload_if_missing(file, source_uri(paths, kind, key))


def quarantine_uri(paths: LakePaths, kind: ErpKind, key: str) -> str:
    """URI of the rejected rows of a file: gzip JSON, one line per row."""
    return f"{paths.raw_erp(kind, key)}/rejected.json.gz"


def _records_uri(paths: LakePaths, kind: ErpKind, key: str) -> str:
    return f"{paths.raw_erp(kind, key)}/facts.parquet"


def save(paths: LakePaths, snapshot: ErpSnapshot, record: LoadRecord) -> None:
    """Make a snapshot the current one of its kind.

    The pointer is written last, so readers see the snapshot before a file or the one after it. It
    contains the load's record: a load that dies before its ledger entry is not merged again.
    """
    kind, key = snapshot.kind, snapshot.load_key
    rows = b"".join(orjson.dumps(row) + b"\n" for row in snapshot.rejected)
    files.write(quarantine_uri(paths, kind, key), gzip.compress(rows, mtime=0))
    files.write(_records_uri(paths, kind, key), _parquet(snapshot.records))
    pointer = {"load": key, "record": record.to_json()}
    files.write(paths.current_erp(kind), orjson.dumps(pointer))


def current_record(paths: LakePaths, kind: ErpKind) -> LoadRecord | None:
    """Return the record of the load that saved the current snapshot.

    None without a snapshot, or if version 0.1.0 or a person wrote the pointer.

    Raises:
        CorruptObjectError: the pointer cannot be read.
    """
    uri = paths.current_erp(kind)
    try:
        stored = orjson.loads(files.read(uri)).get("record")
        return LoadRecord.from_json(stored) if stored else None
    except FileNotFoundError:
        return None
    except (OSError, AttributeError, KeyError, TypeError, ValueError) as error:
        raise CorruptObjectError(f"{uri} cannot be read: {error}") from error


def load(paths: LakePaths, kind: ErpKind) -> ErpSnapshot:
    """Read the current snapshot of a kind.

    Raises:
        NoErpFileError: no file of the kind was ever loaded.
    """
    snapshot = load_if_any(paths, kind)
    if snapshot is None:
        raise NoErpFileError.of(paths, kind)
    return snapshot


def load_if_any(paths: LakePaths, kind: ErpKind) -> ErpSnapshot | None:
    """Read the current snapshot of a kind; None before its first file.

    Raises:
        CorruptObjectError: a part of it cannot be read or is missing.
    """
    if not files.exists(paths.current_erp(kind)):
        return None
    try:
        key = orjson.loads(files.read(paths.current_erp(kind)))["load"]
        content = files.read(_records_uri(paths, kind, key))
        records = pq.read_table(pa.BufferReader(content), page_checksum_verification=True)
        rows = gzip.decompress(files.read(quarantine_uri(paths, kind, key))).splitlines()
        return ErpSnapshot(kind, key, records, [orjson.loads(row) for row in rows])
    except (OSError, EOFError, zlib.error, ValueError, KeyError, TypeError) as error:
        raise CorruptObjectError(f"the {kind} in the lake cannot be read: {error}") from error


def _parquet(table: pa.Table) -> bytes:
    buffer = pa.BufferOutputStream()
    pq.write_table(table, buffer, compression="zstd", write_page_checksum=True)
    return bytes(buffer.getvalue())
