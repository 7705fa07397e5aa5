"""Load the files of a landing folder: each one once, in order of arrival.

Belongs here: which steps a file goes through, and in which order, so that a process may die at any
of them. How a file is read is in `export`, how its rows are merged in `history`.
"""

import errno
import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from stock_platform.erp import landing, ledger, store
from stock_platform.erp.csv_reader import ErpFileError
from stock_platform.erp.export import SCHEMAS, Export
from stock_platform.erp.history import ExportProvenance, merge_export
from stock_platform.erp.landing import LandedFile
from stock_platform.erp.ledger import Ledger, LoadRecord
from stock_platform.erp.store import ErpSnapshot
from stock_platform.lake import files
from stock_platform.lake.files import CorruptObjectError
from stock_platform.lake.paths import ErpKind, LakePaths
from stock_platform.plain_text import plain_text

SAMPLE_ROWS: Final = 20
# Errors of this machine, which a later load of the same file does not meet.
_OUT_OF_RESOURCES: Final = {errno.ENOSPC, errno.EDQUOT, errno.EMFILE, errno.ENFILE, errno.ENOMEM}


@dataclass(frozen=True)
class ErpLoader:
    """Loads the unprocessed files of a kind. Only one loader per kind may run at a time.

    Attributes:
        read: parses a file and checks its rows.
        rules: digest of what `read` checks rows against. If it changes, the newest file is read
            again.
    """

    log: logging.Logger
    paths: LakePaths
    kind: ErpKind
    read: Callable[[Path], Export]
    rules: str = ""

    def load_all(self) -> Iterator[LoadRecord]:
        """Load all unprocessed files in order of arrival; one that changes meanwhile waits.

        Yields a record per file, after it was saved.
        """
        yield from self._record_interrupted_load()
        for problem in self._ledger.damaged.values():
            self.log.error(problem)
        for deleted in landing.list_deleted_rejects(self.paths, self.kind):
            self._save(replace(deleted, is_deleted=True))
        yield from self._read_newest_again()
        tried: set[str] = set()
        while file := self._next_file(tried):
            tried.add(file.key)
            self._wait_until_settled(file)
            if record := self._load(file):
                yield self._save(record)

    def _next_file(self, tried: set[str]) -> LandedFile | None:
        unprocessed = landing.list_unprocessed(self.paths, self.kind)
        return next((file for file in unprocessed if file.key not in tried), None)

    def _record_interrupted_load(self) -> Iterator[LoadRecord]:
        """Record the load of the current snapshot, if its process died before it could.

        Without a record, its file would be merged again. As its rows are known by then, a late file
        would no longer be recognised as late.
        """
        current = store.current_record(self.paths, self.kind)
        if current is None:
            return
        known = self._ledger.records.get(current.key)
        if known is None or known.loaded_at < current.loaded_at:
            yield self._save(current)

    def _wait_until_settled(self, file: LandedFile) -> None:
        seconds = (file.settles_at - datetime.now(UTC)).total_seconds()
        if seconds > 0:
            self.log.info(
                f"{plain_text(file.name)} was written just now; waiting until it is complete"
            )
            time.sleep(seconds)

    def _load(self, file: LandedFile) -> LoadRecord | None:
        """Load a file, or reject it; None if it was overwritten or deleted meanwhile."""
        record = LoadRecord(
            *(file.name, file.generation, "", file.arrived_at, datetime.now(UTC)), rules=self.rules
        )
        with TemporaryDirectory() as folder:
            local = Path(folder) / "erp"
            try:
                record = replace(record, sha256=landing.fetch(self.paths, file, local))
            except FileNotFoundError:
                return None
            except OSError as error:
                if error.errno in _OUT_OF_RESOURCES:
                    raise
                return self._rejected(record, f"it cannot be read: {error.strerror}; fix that")
            if file not in landing.list_landed_files(self.paths, self.kind):
                return None
            was_seen = files.exists(store.source_uri(self.paths, self.kind, record.key))
            store.keep_file(self.paths, self.kind, record.key, local)
            if self._had_same_bytes(record):
                return record
            return self._process(record, local, is_superseded=self._is_superseded(record, was_seen))

    def _save(self, record: LoadRecord) -> LoadRecord:
        """Record a load, after everything else is in place."""
        ledger.record_load(self.paths, self.kind, record)
        self._ledger.records[record.key] = record
        self._ledger.damaged.pop(self.paths.erp_load(self.kind, record.key), None)
        return record

    def _had_same_bytes(self, record: LoadRecord) -> bool:
        """Return whether the last file of this name had the same bytes, and no row was rejected.

        False while an entry of the ledger is damaged, because it may be of this name.
        """
        earlier = [other for other in self._ledger.by_arrival() if other.name == record.name]
        if not earlier or self._ledger.damaged:
            return False
        last = earlier[-1]
        was_accepted = not last.reason and not last.rejected
        return was_accepted and (last.sha256, last.rules) == (record.sha256, record.rules)

    def _read_newest_again(self) -> Iterator[LoadRecord]:
        """Read the newest file again if it was read under other rules.

        If the new rules reject the file, it is still the newest one, because earlier files have
        older states. While an entry of the ledger is damaged, the newest file is unknown.
        """
        used = [record for record in self._ledger.by_arrival() if record.was_newest]
        if not used or used[-1].rules == self.rules or self._ledger.damaged:
            return
        newest = replace(used[-1], loaded_at=datetime.now(UTC), rules=self.rules)
        self.log.info(f"{plain_text(newest.name)} is read again because the exchanges have changed")
        with TemporaryDirectory() as folder:
            local = Path(folder) / "erp"
            local.write_bytes(files.read(store.source_uri(self.paths, self.kind, newest.key)))
            yield self._save(self._process(newest, local))

    def _process(
        self, record: LoadRecord, local: Path, *, is_superseded: bool = False
    ) -> LoadRecord:
        try:
            export = self.read(local)
        except ErpFileError as error:
            return self._rejected(record, str(error))
        known = store.load_if_any(self.paths, self.kind)
        if known is None and self._was_loaded_before():
            # Merged as if it were the first file, it would drop all earlier history.
            raise CorruptObjectError(
                f"{self.kind} were loaded before, and {self.paths.current_erp(self.kind)} is "
                "missing: put it back (docs/runbooks/lake-object-lost.md), then run erp_load again"
            )
        merged = merge_export(
            known.records if known else None,
            export,
            SCHEMAS[self.kind],
            ExportProvenance(record.name, record.loaded_at, is_superseded=is_superseded),
        )
        if merged.is_late:
            self.log.warning(
                f"{plain_text(record.name)} came late: newer records are known and are kept"
            )
        rejected = export.rejected.to_pylist()
        record = replace(
            record,
            status="late" if merged.is_late else "loaded",
            reason="",
            accepted=export.accepted.num_rows,
            rejected=len(rejected),
            sample=rejected[:SAMPLE_ROWS],
            outdated=merged.outdated,
        )
        snapshot = ErpSnapshot(self.kind, record.key, merged.records, rejected)
        store.save(self.paths, snapshot, record)
        return record

    def _was_loaded_before(self) -> bool:
        records = self._ledger.records.values()
        return bool(self._ledger.damaged) or any(record.status == "loaded" for record in records)

    def _is_superseded(self, record: LoadRecord, was_seen: bool) -> bool:
        """Return whether these bytes were loaded earlier, and other bytes since.

        False if the same name had other content in between: someone put the old content back.
        """
        others = self._ledger.by_arrival()
        if any(other.name == record.name and other.key != record.key for other in others):
            return False
        used = [other for other in others if other.status == "loaded"]
        if was_seen and any(other.arrived_at > record.arrived_at for other in used):
            return True  # its own entry was lost
        digests = [other.sha256 for other in used]
        return record.sha256 in digests[:-1] and digests[-1] != record.sha256

    @cached_property
    def _ledger(self) -> Ledger:
        return ledger.read_ledger(self.paths, self.kind)

    def _rejected(self, record: LoadRecord, reason: str) -> LoadRecord:
        record = replace(record, status="rejected", reason=reason)
        self.log.error(sentence(record))
        return record


def sentence(record: LoadRecord) -> str:
    """Describe the outcome of a file in plain text."""
    name = plain_text(record.name)
    if record.status == "rejected":
        return f"{name} was rejected, nothing of it is used: {plain_text(record.reason)}"
    if record.status == "unchanged":
        return f"{name} has the same bytes as before"
    counts = f"{name}: {record.accepted:,} rows accepted, {record.rejected:,} rejected"
    if record.status == "late":
        return f"{counts}; it came late, {record.outdated:,} rows are older than known states"
    return counts
