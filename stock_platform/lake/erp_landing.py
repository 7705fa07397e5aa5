"""The landing folder of the ERP: which files lie there, and which of them were never dealt with.

Nothing here changes the folder. A file is known by name and generation, so that one overwritten
under its name is another one. What became of each is an entry beside the raw rows, which is the
only memory: a sensor that forgot everything asks for nothing twice.
"""

import hashlib
import os
import posixpath
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, Literal

import orjson

from stock_platform.lake import files
from stock_platform.lake.paths import ErpKind, LakePaths

# Names under which programs write what is not finished yet.
_UNFINISHED: Final = (".tmp", ".part", ".partial", ".filepart", ".crdownload", "~")
# A directory shows a file while it is written; an object store shows it when it is whole.
SETTLED_AFTER: Final = timedelta(seconds=5)


@dataclass(frozen=True)
class Landed:
    """A file in the landing folder.

    Attributes:
        name: as it can be shown; bytes that are no text are written out.
        generation: the object's, or of a local file its moment of arrival in microseconds and
            its size.
        path: in the file system of the landing folder.
        arrived_at: when it came to lie there as it is.
        settles_at: when it may be taken for complete.
    """

    kind: ErpKind
    name: str
    generation: str
    path: str
    arrived_at: datetime
    settles_at: datetime

    @property
    def key(self) -> str:
        """Name and generation."""
        return f"{self.name}@{self.generation}"


@dataclass(frozen=True)
class ErpLoad:
    """What became of a file.

    Attributes:
        status: loaded, rejected, unchanged where its name held the same bytes before, or late
            where newer facts were known.
        reason: why it was rejected.
        sample: the first rejected rows: line, reason and text.
        outdated: rows of a late file that tell an older state than is known.
        rules: what its rows were judged by beside themselves.
        is_gone: whether a rejected file was overwritten or deleted since.
    """

    name: str
    generation: str
    sha256: str
    arrived_at: datetime
    loaded_at: datetime
    status: Literal["loaded", "rejected", "unchanged", "late"] = "unchanged"
    reason: str = ""
    accepted: int = 0
    rejected: int = 0
    sample: Sequence[Mapping[str, Any]] = ()
    outdated: int = 0
    rules: str = ""
    is_gone: bool = False

    @property
    def key(self) -> str:
        """Name and generation."""
        return f"{self.name}@{self.generation}"

    @property
    def refused(self) -> bool:
        """Whether nothing of it is used."""
        return self.status == "rejected"

    @property
    def was_newest(self) -> bool:
        """Whether its rows were the newest state, by these rules or by those of before."""
        return self.status == "loaded" or (self.refused and self.accepted > 0)


def landed(paths: LakePaths, kind: ErpKind) -> list[Landed]:
    """Files of the landing folder in order of arrival, but for hidden and unfinished ones.

    Links, pipes and folders are no files: what they lead to is not the ERP's to name.
    """
    found = files.listing(paths.landing(kind))
    regular = [it for it in found if it["type"] == "file" and not it.get("islink")]
    return sorted(
        (_landed(kind, info) for info in regular if _is_finished(info["name"])),
        key=lambda it: (it.arrived_at, it.name),
    )


def _is_finished(path: str) -> bool:
    name = posixpath.basename(path)
    return bool(name) and not name.startswith(".") and not name.endswith(_UNFINISHED)


def pending(paths: LakePaths, kind: ErpKind) -> list[Landed]:
    """Landed files that were never dealt with, in order of arrival."""
    known = _names_in(paths.erp_loads(kind))
    return [it for it in landed(paths, kind) if _entry(paths, it) not in known]


def fetch(paths: LakePaths, file: Landed, target: Path) -> str:
    """Copy a file to a local disk; returns the SHA-256 of its bytes.

    Raises:
        OSError: it cannot be read, or is not there any more.
    """
    fs, _ = files.filesystem(paths.landing(file.kind))
    fs.get_file(file.path, str(target))
    with target.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def record(paths: LakePaths, kind: ErpKind, load: ErpLoad) -> None:
    """Remember what became of a file; from then on it is not pending."""
    lies_rejected = load.refused and not load.is_gone
    marker = paths.rejected_erp_load(kind, load.key)
    if lies_rejected:
        files.write(marker, b"")
    files.write(paths.erp_load(kind, load.key), orjson.dumps(asdict(load)))
    if not lies_rejected:
        files.delete(marker)


def gone(paths: LakePaths, kind: ErpKind) -> list[ErpLoad]:
    """Rejected files that lie there no more, and of which that was not remembered yet.

    They are found by two listings, however many files were ever dealt with.
    """
    lying = {_entry(paths, it) for it in landed(paths, kind)}
    left = _names_in(paths.rejected_erp_loads(kind)) - lying
    known = _read([f"{paths.erp_loads(kind)}/{name}" for name in sorted(left)])
    return [it for it in known if it.refused]


def loads(paths: LakePaths, kind: ErpKind) -> list[ErpLoad]:
    """What became of each file, in order of arrival."""
    folder = paths.erp_loads(kind)
    found = _read([f"{folder}/{name}" for name in _names_in(folder)])
    return sorted(found, key=lambda it: (it.arrived_at, it.name))


def _names_in(folder: str) -> set[str]:
    return {posixpath.basename(it["name"]) for it in files.listing(folder)}


def _entry(paths: LakePaths, file: Landed) -> str:
    return posixpath.basename(paths.erp_load(file.kind, file.key))


def _read(uris: Sequence[str]) -> list[ErpLoad]:
    return [_load(content) for content in files.each(files.read, uris)]


def _load(content: bytes) -> ErpLoad:
    told = orjson.loads(content)
    moments = {name: datetime.fromisoformat(told[name]) for name in ("arrived_at", "loaded_at")}
    return ErpLoad(**{**told, **moments})


def _landed(kind: ErpKind, info: Mapping[str, Any]) -> Landed:
    path = info["name"]
    name = posixpath.basename(os.fsencode(path).decode("utf-8", "backslashreplace"))
    if "generation" in info:  # Cloud Storage
        arrived = _moment(info.get("updated") or info.get("mtime"))
        return Landed(kind, name, str(info["generation"]), path, arrived, arrived)
    # A directory's "created" is the inode's change: it also tells of a file that was moved in
    # or copied with its old times.
    arrived = _moment(info["created"])
    generation = f"{round(arrived.timestamp() * 1e6)}-{info['size']}"
    # Whoever sends a file may give it any time of change, even one to come.
    written = min(_moment(info.get("mtime", arrived)), arrived)
    return Landed(kind, name, generation, path, arrived, written + SETTLED_AFTER)


def _moment(told: Any) -> datetime:  # noqa: ANN401 - fsspec: a number, text or a datetime
    if isinstance(told, str):
        return datetime.fromisoformat(told)
    return told if isinstance(told, datetime) else datetime.fromtimestamp(told, UTC)
