"""The ledger of ERP loads: one entry per generation of a file, written after everything else.

Belongs here: how an entry is written, read, and reported if it is damaged. Entries are the only
memory of which files were loaded. A damaged one still counts as an entry, because its file was
loaded or rejected before the entry was written.
"""

import posixpath
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Final, Literal

import orjson

from stock_platform.lake import files
from stock_platform.lake.paths import ErpKind, LakePaths

_ENTRY_SUFFIX: Final = ".json"


@dataclass(frozen=True)
class LoadRecord:
    """Result of loading a file, as stored in the ledger.

    Attributes:
        status: loaded, rejected, unchanged if its name had the same bytes before, or late if newer
            records were known.
        reason: why it was rejected.
        sample: the first rejected rows: line, reason, key and text.
        outdated: rows of a late file whose company has a newer state.
        rules: digest of the settings by which its rows were accepted.
        is_deleted: a rejected file that was overwritten or deleted since.
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
    is_deleted: bool = False

    @property
    def key(self) -> str:
        """Name and generation."""
        return f"{self.name}@{self.generation}"

    @property
    def is_rejected(self) -> bool:
        """Nothing of the file is used."""
        return self.status == "rejected"

    @property
    def was_newest(self) -> bool:
        """The file was the newest state when it was loaded, under these rules or earlier ones."""
        return self.status == "loaded" or (self.is_rejected and self.accepted > 0)

    def to_json(self) -> dict[str, Any]:
        """The stored form; its field names are those of version 0.1.0."""
        stored = asdict(self)
        stored["is_gone"] = stored.pop("is_deleted")
        return stored

    @classmethod
    def from_json(cls, stored: Any) -> "LoadRecord":  # noqa: ANN401 - anything a file may contain
        """Parse the stored form.

        Raises:
            KeyError, TypeError, ValueError: it is not a record.
        """
        fields = dict(stored)
        fields["is_deleted"] = fields.pop("is_gone", False)
        for name in ("arrived_at", "loaded_at"):
            fields[name] = datetime.fromisoformat(fields[name])
        return cls(**fields)


@dataclass(frozen=True)
class Ledger:
    """All entries of a kind.

    Attributes:
        records: by key.
        damaged: by URI of an entry that cannot be read: why, and what to do.
    """

    records: dict[str, LoadRecord]
    damaged: dict[str, str]

    def by_arrival(self) -> list[LoadRecord]:
        """The records in order of arrival of their files."""
        return sorted(self.records.values(), key=lambda record: (record.arrived_at, record.name))


def entry_name(paths: LakePaths, kind: ErpKind, key: str) -> str:
    """The file name of an entry, in the ledger and among the markers of rejected files."""
    return posixpath.basename(paths.erp_load(kind, key))


def entry_names(folder: str) -> set[str]:
    """File names of the entries in a folder; leftovers of interrupted writes are not entries."""
    names = files.list_names(folder)
    return {name for name in names if name.endswith(_ENTRY_SUFFIX)}


def record_load(paths: LakePaths, kind: ErpKind, record: LoadRecord) -> None:
    """Write the entry of a file, which is then no longer unprocessed.

    The marker of a rejected file is written first: one without an entry means nothing.
    """
    needs_marker = record.is_rejected and not record.is_deleted
    marker = paths.rejected_erp_load(kind, record.key)
    if needs_marker:
        files.write(marker, b"")
    files.write(paths.erp_load(kind, record.key), orjson.dumps(record.to_json()))
    if not needs_marker:
        files.delete(marker)


def read_ledger(paths: LakePaths, kind: ErpKind) -> Ledger:
    """Read all entries of a kind."""
    return read_entries(paths, kind, entry_names(paths.erp_loads(kind)))


def read_entries(paths: LakePaths, kind: ErpKind, names: set[str]) -> Ledger:
    """Read some entries of a kind; those that do not exist are left out."""
    ledger = Ledger({}, {})
    uris = [f"{paths.erp_loads(kind)}/{name}" for name in sorted(names)]
    for uri, entry in zip(uris, files.map_concurrently(_read_entry, uris), strict=True):
        if isinstance(entry, LoadRecord) and paths.erp_load(kind, entry.key) == uri:
            ledger.records[entry.key] = entry
        elif entry is not None:
            problem = entry if isinstance(entry, str) else f"it describes {entry.key}"
            ledger.damaged[uri] = (
                f"the ledger entry {uri} is damaged ({problem}). Its file was loaded or "
                "rejected, and is not loaded again. Restore an earlier version of the entry, or "
                "delete it: the file is then loaded again if it is still in the landing folder"
            )
    return ledger


def _read_entry(uri: str) -> LoadRecord | str | None:
    """Read an entry, or return why it cannot be read; None if it does not exist."""
    try:
        return LoadRecord.from_json(orjson.loads(files.read(uri)))
    except FileNotFoundError:
        return None
    except (OSError, KeyError, TypeError, ValueError) as error:
        return f"{type(error).__name__}: {error}"
