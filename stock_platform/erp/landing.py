"""The landing folder of the ERP: which files are in it, and which of them were not loaded yet.

The folder is never changed. A file is identified by name and generation, so an overwritten file is
a new one. The ledger is the only memory: a sensor that lost its cursor requests nothing twice.
"""

import hashlib
import os
import posixpath
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from stock_platform.erp.ledger import LoadRecord, entry_name, entry_names, read_entries
from stock_platform.lake import files
from stock_platform.lake.paths import ErpKind, LakePaths

# Names under which programs write files that are not complete yet.
_INCOMPLETE: Final = (".tmp", ".part", ".partial", ".filepart", ".crdownload", "~")
# A directory shows a file while it is written, an object store only when it is complete.
SETTLED_AFTER: Final = timedelta(seconds=5)


@dataclass(frozen=True)
class LandedFile:
    """A file in the landing folder.

    Attributes:
        name: printable; bytes that are not UTF-8 are escaped.
        generation: the object's; of a local file its arrival in microseconds, and its size.
        path: in the file system of the landing folder.
        arrived_at: when the file was put into the folder or last changed.
        settles_at: when it is taken for complete.
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


def list_landed_files(paths: LakePaths, kind: ErpKind) -> list[LandedFile]:
    """List the files of the landing folder in order of arrival, without hidden and incomplete ones.

    Links, pipes and folders are not files: a link could point out of the folder.
    """
    landed = [
        _landed_file(kind, info)
        for info in files.list_folder(paths.landing(kind))
        if info["type"] == "file" and not info.get("islink") and _is_complete(info["name"])
    ]
    return sorted(landed, key=lambda file: (file.arrived_at, file.name))


def _is_complete(path: str) -> bool:
    name = posixpath.basename(path)
    return bool(name) and not name.startswith(".") and not name.endswith(_INCOMPLETE)


def list_unprocessed(paths: LakePaths, kind: ErpKind) -> list[LandedFile]:
    """List the landed files without a ledger entry, in order of arrival."""
    known = entry_names(paths.erp_loads(kind))
    landed = list_landed_files(paths, kind)
    return [file for file in landed if entry_name(paths, kind, file.key) not in known]


def fetch(paths: LakePaths, file: LandedFile, target: Path) -> str:
    """Copy a file to a local disk, and return the SHA-256 of its bytes.

    Raises:
        OSError: the file cannot be read or no longer exists, or the disk is full.
    """
    fs, _ = files.filesystem(paths.landing(file.kind))
    fs.get_file(file.path, str(target))
    with target.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def list_deleted_rejects(paths: LakePaths, kind: ErpKind) -> list[LoadRecord]:
    """List the rejected files that have left the landing folder since the last load.

    This takes two listings, however long the ledger is.
    """
    present = {entry_name(paths, kind, file.key) for file in list_landed_files(paths, kind)}
    left = entry_names(paths.rejected_erp_loads(kind)) - present
    records = read_entries(paths, kind, left).by_arrival()
    return [record for record in records if record.is_rejected]


def _landed_file(kind: ErpKind, info: Mapping[str, Any]) -> LandedFile:
    path = info["name"]
    name = posixpath.basename(os.fsencode(path).decode("utf-8", "backslashreplace"))
    if "generation" in info:  # Cloud Storage
        arrived = _timestamp(info.get("updated") or info.get("mtime"))
        return LandedFile(kind, name, str(info["generation"]), path, arrived, arrived)
    # "created" is the inode's change time, which is new even if a file was moved into the folder
    # or copied with its old times.
    arrived = _timestamp(info["created"])
    generation = f"{round(arrived.timestamp() * 1e6)}-{info['size']}"
    # The sender may set any modification time, even a future one.
    written = min(_timestamp(info.get("mtime", arrived)), arrived)
    return LandedFile(kind, name, generation, path, arrived, written + SETTLED_AFTER)


def _timestamp(value: Any) -> datetime:  # noqa: ANN401 - fsspec: a number, text or a datetime
    if isinstance(value, str):
        return datetime.fromisoformat(value)
    return value if isinstance(value, datetime) else datetime.fromtimestamp(value, UTC)
