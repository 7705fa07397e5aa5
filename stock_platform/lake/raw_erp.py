"""ERP batches in the lake: the newest file of a landing folder, and the batch made of it."""

import gzip
import hashlib
import posixpath
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import orjson

from stock_platform.lake import files
from stock_platform.lake.paths import ErpKind, LakePaths


class NoErpFileError(FileNotFoundError):
    """A landing folder holds no CSV file."""


@dataclass(frozen=True)
class LandedFile:
    """A file that the ERP dropped, and which generation of it this is (by content)."""

    name: str
    generation: str
    content: bytes


@dataclass(frozen=True)
class ErpBatch:
    """The rows of one generation of an ERP file.

    Attributes:
        accepted: each with its SOURCE_FILE and LOADED_AT, when it was first read.
        rejected: line number, reason and record of each row that broke the contract.
    """

    kind: ErpKind
    generation: str
    source_file: str
    accepted: Sequence[Mapping[str, str]]
    rejected: Sequence[Mapping[str, Any]]


def current_rows(paths: LakePaths, kind: ErpKind) -> Sequence[Mapping[str, str]]:
    """The accepted rows of the current batch; none where there is no batch."""
    return load(paths, kind).accepted if files.exists(paths.current_erp(kind)) else ()


def newest_file(paths: LakePaths, kind: ErpKind) -> LandedFile:
    """The CSV file that was dropped last.

    Raises:
        NoErpFileError: there is none.
    """
    fs, folder = files.filesystem(paths.landing(kind))
    found = [fs.info(path) for path in fs.find(folder, maxdepth=1) if path.endswith(".csv")]
    if not found:
        raise NoErpFileError(
            f"no CSV file in {paths.landing(kind)}: drop the ERP's export of {kind} there "
            "(`make demo` drops a sample when the folder is empty)"
        )
    newest = max(found, key=lambda info: (_modified(info), info["name"]))
    content: bytes = fs.cat_file(newest["name"])
    digest = hashlib.sha256(content).hexdigest()[:16]
    name = posixpath.basename(newest["name"])
    return LandedFile(name, f"{name}-{digest}", content)


def save(paths: LakePaths, batch: ErpBatch) -> ErpBatch:
    """Store a batch and make it the current one of its kind.

    A generation that is current already, read to the same rows, is left as it is, with the
    moment of its first load.

    Returns:
        The batch that is current now.
    """
    if files.exists(paths.current_erp(batch.kind)):
        current = load(paths, batch.kind)
        if current.generation == batch.generation and _read_alike(current, batch):
            return current
    folder = paths.raw_erp(batch.kind, batch.generation)
    files.write(f"{folder}/accepted.json.gz", _pack(batch.accepted))
    files.write(f"{folder}/rejected.json.gz", _pack(batch.rejected))
    pointer = {
        "generation": batch.generation,
        "source_file": batch.source_file,
    }
    files.write(paths.current_erp(batch.kind), orjson.dumps(pointer))
    return batch


def load(paths: LakePaths, kind: ErpKind) -> ErpBatch:
    """The current batch of a kind.

    Raises:
        NoErpFileError: none was loaded yet.
    """
    if not files.exists(paths.current_erp(kind)):
        raise NoErpFileError(f"no {kind} were loaded yet: materialize raw_erp_{kind} first")
    pointer = orjson.loads(files.read(paths.current_erp(kind)))
    folder = paths.raw_erp(kind, pointer["generation"])
    return ErpBatch(
        kind=kind,
        generation=pointer["generation"],
        source_file=pointer["source_file"],
        accepted=_unpack(files.read(f"{folder}/accepted.json.gz")),
        rejected=_unpack(files.read(f"{folder}/rejected.json.gz")),
    )


def _read_alike(one: ErpBatch, other: ErpBatch) -> bool:
    def facts(batch: ErpBatch) -> list[dict[str, Any]]:
        rows = [*batch.accepted, *batch.rejected]
        return [{name: row[name] for name in row if name != "LOADED_AT"} for row in rows]

    return facts(one) == facts(other)


def _modified(info: Mapping[str, Any]) -> datetime:
    # fsspec has no common name for it: a directory says mtime, memory created, GCS mtime.
    moment = info.get("mtime", info.get("created"))
    return moment if isinstance(moment, datetime) else datetime.fromtimestamp(moment or 0, UTC)


def _pack(rows: Sequence[Mapping[str, Any]]) -> bytes:
    return gzip.compress(b"".join(orjson.dumps(row) + b"\n" for row in rows), mtime=0)


def _unpack(content: bytes) -> list[dict[str, Any]]:
    return [orjson.loads(line) for line in gzip.decompress(content).splitlines()]
