"""The landing folder of the ERP: which files lie there, and which of them were never dealt with.

Nothing here changes the folder. A file is known by name and generation, so that one overwritten
under its name is another one. What became of each is an entry beside the raw rows, which is the
only memory: a sensor that forgot everything asks for nothing twice.
"""

import hashlib
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
        generation: the object's, or of a local file its moment of arrival in microseconds and
            its size.
        arrived_at: when it came to lie there as it is.
        settles_at: when it may be taken for complete.
    """

    kind: ErpKind
    name: str
    generation: str
    uri: str
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
        status: loaded, rejected, or unchanged where its name held the same bytes before.
        reason: why it was rejected.
        sample: the first rejected rows: line, reason and text.
    """

    name: str
    generation: str
    sha256: str
    arrived_at: datetime
    loaded_at: datetime
    status: Literal["loaded", "rejected", "unchanged"] = "unchanged"
    reason: str = ""
    accepted: int = 0
    rejected: int = 0
    sample: Sequence[Mapping[str, Any]] = ()

    @property
    def key(self) -> str:
        """Name and generation."""
        return f"{self.name}@{self.generation}"

    @property
    def refused(self) -> bool:
        """Whether nothing of it is used."""
        return self.status == "rejected"


def landed(paths: LakePaths, kind: ErpKind) -> list[Landed]:
    """Files of the landing folder in order of arrival, but for hidden and unfinished ones."""
    fs, folder = files.filesystem(paths.landing(kind))
    fs.invalidate_cache()
    found = fs.find(folder, maxdepth=1, detail=True) if fs.exists(folder) else {}
    names = {path: posixpath.basename(path) for path in found}
    return sorted(
        (
            _landed(kind, names[path], info, fs)
            for path, info in found.items()
            if not names[path].startswith(".") and not names[path].endswith(_UNFINISHED)
        ),
        key=lambda it: (it.arrived_at, it.name),
    )


def pending(paths: LakePaths, kind: ErpKind) -> list[Landed]:
    """Landed files that were never dealt with, in order of arrival."""
    fs, folder = files.filesystem(paths.erp_loads(kind))
    fs.invalidate_cache()
    entries = fs.ls(folder, detail=False) if fs.exists(folder) else ()
    known = {posixpath.basename(it) for it in entries}
    return [
        it
        for it in landed(paths, kind)
        if posixpath.basename(paths.erp_load(kind, it.key)) not in known
    ]


def fetch(file: Landed, target: Path) -> str:
    """Copy a file to a local disk; returns the SHA-256 of its bytes."""
    fs, path = files.filesystem(file.uri)
    fs.get_file(path, str(target))
    with target.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def record(paths: LakePaths, kind: ErpKind, load: ErpLoad) -> None:
    """Remember what became of a file; from then on it is not pending."""
    files.write(paths.erp_load(kind, load.key), orjson.dumps(asdict(load)))


def loads(paths: LakePaths, kind: ErpKind) -> list[ErpLoad]:
    """What became of each file, in order of arrival."""
    fs, folder = files.filesystem(paths.erp_loads(kind))
    fs.invalidate_cache()
    entries = fs.ls(folder, detail=False) if fs.exists(folder) else []
    found = [_load(content) for content in fs.cat(entries).values()] if entries else []
    return sorted(found, key=lambda it: (it.arrived_at, it.name))


def _load(content: bytes) -> ErpLoad:
    told = orjson.loads(content)
    moments = {name: datetime.fromisoformat(told[name]) for name in ("arrived_at", "loaded_at")}
    return ErpLoad(**{**told, **moments})


def _landed(kind: ErpKind, name: str, info: Mapping[str, Any], fs: Any) -> Landed:  # noqa: ANN401
    uri = fs.unstrip_protocol(info["name"])
    if "generation" in info:  # Cloud Storage
        arrived = _moment(info.get("updated") or info.get("mtime"))
        return Landed(kind, name, str(info["generation"]), uri, arrived, arrived)
    # A directory's "created" is the inode's change: it also tells of a file that was moved in
    # or copied with its old times.
    arrived = _moment(info["created"])
    generation = f"{round(arrived.timestamp() * 1e6)}-{info['size']}"
    written = _moment(info.get("mtime", arrived))
    return Landed(kind, name, generation, uri, arrived, written + SETTLED_AFTER)


def _moment(told: Any) -> datetime:  # noqa: ANN401 - fsspec: a number, text or a datetime
    if isinstance(told, str):
        return datetime.fromisoformat(told)
    return told if isinstance(told, datetime) else datetime.fromtimestamp(told, UTC)
