"""The processed layer of version 0.1.0, for its migration: one object per session and table.

``processed/<table>/date=D/`` is what was processed last, with the metrics of the session in a
manifest. ``processed/loaded/<fact>/date=D/`` is a copy of what was loaded into the warehouse. They
differ if a blocking check failed, because it stopped the load.
"""

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from stock_platform.lake import files
from stock_platform.lake.files import CorruptObjectError
from stock_platform.lake.paths import LakePaths, ProcessedTable
from stock_platform.lake.processed import FACT_SOURCES

# A session with one of them was processed or loaded, though the other may be lost.
_OBJECTS: Final = ("part-00000.parquet", "_manifest.json")
_FACTS: Final = {source: fact for fact, source in FACT_SOURCES.items()}
_REMEDY: Final = (
    "Restore it and run `stock-platform migrate` again, or process the session again from its raw "
    "prices"
)


@dataclass(frozen=True)
class OldSession:
    """A session of version 0.1.0.

    Attributes:
        manifest: of what was processed last; empty if the manifest is lost.
        rows: the loaded prices and actions, and the quarantined records.
        never_loaded: tables with rows that were processed and never loaded.
        is_unfinished: whether its last load did not finish, so that the rows may be older ones.
    """

    session: str
    manifest: Mapping[str, Any]
    rows: Mapping[ProcessedTable, pa.Table]
    never_loaded: tuple[ProcessedTable, ...]
    is_unfinished: bool

    @property
    def processed_rows(self) -> Mapping[ProcessedTable, int]:
        """Number of rows that were processed last, by table."""
        return _processed_rows(self.manifest)


@dataclass(frozen=True)
class OldLayer:
    """A listing of the processed layer of version 0.1.0."""

    paths: LakePaths

    @cached_property
    def sessions(self) -> list[str]:
        """Every session that may have an object, ascending."""
        folders = [self.paths.processed_table("stock_prices")]
        folders += [self.paths.loaded_folder_0_1_0(fact) for fact in _FACTS.values()]
        return sorted({session for folder in folders for session in files.list_sessions(folder)})

    @cached_property
    def processed(self) -> Collection[str]:
        """The sessions with a manifest or prices."""
        folder = self.paths.processed_table("stock_prices")
        return set(files.list_sessions_with(folder, *_OBJECTS))

    @cached_property
    def loaded(self) -> Mapping[ProcessedTable, Collection[str]]:
        """The sessions with a copy, by table."""
        folder = self.paths.loaded_folder_0_1_0
        return {
            table: set(files.list_sessions_with(folder(fact), *_OBJECTS))
            for table, fact in _FACTS.items()
        }

    @cached_property
    def unfinished(self) -> Mapping[ProcessedTable, Collection[str]]:
        """The sessions whose last load did not finish, by table."""
        folder = self.paths.unfinished_loads_0_1_0
        return {table: set(files.list_sessions(folder(fact))) for table, fact in _FACTS.items()}

    def unrecognised(self) -> list[str]:
        """Return one sentence per folder of copies that is not named after a session."""
        return [
            f"{uri} is not named after a session and was not read: rename it to date=yyyy-mm-dd, "
            "or delete it"
            for fact in _FACTS.values()
            for uri in files.unrecognised_folders(self.paths.loaded_folder_0_1_0(fact))
        ]

    def read(self, session: str) -> OldSession | None:
        """Return a session, or None if nothing was ever completed for it.

        Raises:
            CorruptObjectError: an object is damaged or missing.
        """
        copies = {table for table, found in self.loaded.items() if session in found}
        if not copies and session not in self.processed:
            return None
        manifest = self._manifest(session, is_required=not copies)
        expected = _processed_rows(manifest)
        rows, never_loaded = {}, []
        for table in _FACTS:
            if table in copies:
                rows[table] = self._copy(table, session)
            elif expected[table] and session in self.unfinished[table]:
                raise CorruptObjectError(
                    f"{session}: the load of {_FACTS[table]} did not finish, and no copy of an "
                    "earlier one exists. Process the session again"
                )
            elif expected[table]:
                never_loaded.append(table)
        if expected["quarantine"]:
            rows["quarantine"] = self._quarantine(session, expected["quarantine"])
        is_unfinished = any(session in found for found in self.unfinished.values())
        return OldSession(session, manifest, rows, tuple(never_loaded), is_unfinished)

    def _manifest(self, session: str, *, is_required: bool) -> dict[str, Any]:
        uri = self.paths.manifest_0_1_0(session)
        try:
            manifest = orjson.loads(files.read(uri))
            _processed_rows(manifest)
        except (AttributeError, FileNotFoundError, KeyError, TypeError, ValueError) as error:
            if is_required:
                raise CorruptObjectError(
                    f"{uri} is missing or cannot be read. {_REMEDY}"
                ) from error
            return {}
        return dict(manifest)

    def _copy(self, table: ProcessedTable, session: str) -> pa.Table:
        uri = self.paths.loaded_0_1_0(_FACTS[table], session)
        manifest_uri = self.paths.loaded_manifest_0_1_0(_FACTS[table], session)
        try:
            manifest = orjson.loads(files.read(manifest_uri))
            expected, digest = int(manifest["rows"]), manifest["sha256"]
        except (FileNotFoundError, KeyError, TypeError, ValueError) as error:
            raise CorruptObjectError(
                f"{manifest_uri} is missing or cannot be read. {_REMEDY}"
            ) from error
        content = _content(uri)
        if hashlib.sha256(content).hexdigest() != digest:
            raise CorruptObjectError(f"{uri} differs from the object that was loaded. {_REMEDY}")
        return _rows(uri, content, expected)

    def _quarantine(self, session: str, expected: int) -> pa.Table:
        uri = self.paths.processed_0_1_0("quarantine", session)
        return _rows(uri, _content(uri), expected)


def _processed_rows(manifest: Mapping[str, Any]) -> dict[ProcessedTable, int]:
    """Return the number of rows per table according to a manifest."""
    if not manifest:
        return {"stock_prices": 0, "corporate_actions": 0, "quarantine": 0}
    metrics = manifest["metrics"]
    return {
        "stock_prices": metrics["valid"],
        "corporate_actions": metrics["corporate_actions"],
        "quarantine": sum(metrics["quarantined"].values()) + metrics["bad_corporate_actions"],
    }


def _content(uri: str) -> bytes:
    try:
        return files.read(uri)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise CorruptObjectError(f"{uri} is missing. {_REMEDY}") from error


def _rows(uri: str, content: bytes, expected: int) -> pa.Table:
    try:
        rows = pq.read_table(pa.BufferReader(content))
    except (OSError, ValueError) as error:  # pyarrow's errors are of either
        raise CorruptObjectError(f"{uri} cannot be read: {error}. {_REMEDY}") from error
    if rows.num_rows != expected:
        raise CorruptObjectError(
            f"{uri} has {rows.num_rows:,} rows instead of {expected:,}. {_REMEDY}"
        )
    return rows.replace_schema_metadata(None)
