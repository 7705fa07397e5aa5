"""What the ERP told, in the lake: each file as it came, its rejected rows, the facts after it."""

import gzip
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from stock_platform.errors import StockPlatformError
from stock_platform.lake import files
from stock_platform.lake.loaded import DamagedError
from stock_platform.lake.paths import ErpKind, LakePaths


class NoErpFileError(StockPlatformError, FileNotFoundError):
    """No ERP file of a kind was ever loaded."""

    @classmethod
    def of(cls, paths: LakePaths, kind: ErpKind) -> Self:
        """The error, with what to do."""
        return cls(
            f"no {kind} were loaded yet: drop the ERP's export into {paths.landing(kind)} and "
            f"materialize raw_erp_{kind} (`make demo` drops a sample)"
        )


@dataclass(frozen=True)
class ErpFacts:
    """What is known of a kind.

    Attributes:
        load: key of the file that was loaded last.
        facts: of `stock_platform.sources.erp_history`.
        rejected: rows of that file which broke the contract: line, reason, key and text.
    """

    kind: ErpKind
    load: str
    facts: pa.Table
    rejected: Sequence[Mapping[str, Any]]


def source(paths: LakePaths, kind: ErpKind, load: str) -> str:
    """Where a file is as it came."""
    return f"{paths.raw_erp(kind, load)}/source"


def keep_file(paths: LakePaths, kind: ErpKind, load: str, file: Path) -> None:
    """Keep a file as it came."""
    files.keep(file, source(paths, kind, load))


def quarantine(paths: LakePaths, kind: ErpKind, load: str) -> str:
    """Where the rejected rows of a file are: gzip JSON, a line a row."""
    return f"{paths.raw_erp(kind, load)}/rejected.json.gz"


def save(paths: LakePaths, known: ErpFacts) -> None:
    """Make facts the current ones of their kind.

    The pointer is written last: whoever reads sees the facts before a file or those after it.
    """
    lines = b"".join(orjson.dumps(it) + b"\n" for it in known.rejected)
    files.write(quarantine(paths, known.kind, known.load), gzip.compress(lines, mtime=0))
    files.write(f"{paths.raw_erp(known.kind, known.load)}/facts.parquet", _parquet(known.facts))
    files.write(paths.current_erp(known.kind), orjson.dumps({"load": known.load}))


def load(paths: LakePaths, kind: ErpKind) -> ErpFacts:
    """What is known of a kind.

    Raises:
        NoErpFileError: no file of the kind was ever loaded.
    """
    found = load_if_any(paths, kind)
    if found is None:
        raise NoErpFileError.of(paths, kind)
    return found


def load_if_any(paths: LakePaths, kind: ErpKind) -> ErpFacts | None:
    """What is known of a kind; None before its first file.

    Raises:
        DamagedError: what is known cannot be read, or a part of it is missing.
    """
    if not files.exists(paths.current_erp(kind)):
        return None
    try:
        key = orjson.loads(files.read(paths.current_erp(kind)))["load"]
        content = files.read(f"{paths.raw_erp(kind, key)}/facts.parquet")
        facts = pq.read_table(pa.BufferReader(content), page_checksum_verification=True)
        lines = gzip.decompress(files.read(quarantine(paths, kind, key))).splitlines()
        return ErpFacts(kind, key, facts, [orjson.loads(it) for it in lines])
    except (OSError, EOFError, zlib.error, ValueError, KeyError, TypeError) as error:
        raise DamagedError(f"the facts of {kind} in the lake cannot be read: {error}") from error


def _parquet(table: pa.Table) -> bytes:
    buffer = pa.BufferOutputStream()
    pq.write_table(table, buffer, compression="zstd", write_page_checksum=True)
    return bytes(buffer.getvalue())
