"""Dealing with what lies in the landing folder: file by file, each once, in order of arrival.

Belongs here: what happens to a file, in which order, so that a process that dies leaves nothing
half done. How a file is read, and what its rows mean, comes from `sources`.
"""

import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from stock_platform.lake import erp_landing, files, raw_erp
from stock_platform.lake.erp_landing import ErpLoad, Landed
from stock_platform.lake.loaded import DamagedError
from stock_platform.lake.paths import ErpKind, LakePaths
from stock_platform.lake.raw_erp import ErpFacts
from stock_platform.plain_text import plain_text
from stock_platform.sources.erp import CONTRACTS, Export
from stock_platform.sources.erp_history import Told, learn
from stock_platform.sources.erp_text import ErpFileError

SAMPLE_ROWS: Final = 20


@dataclass(frozen=True)
class ErpLoader:
    """Loads what is pending of a kind.

    Attributes:
        read: reads an export.
        rules: what `read` goes by beside the file, as a digest; with another one the newest file
            is read again.
    """

    log: logging.Logger
    paths: LakePaths
    kind: ErpKind
    read: Callable[[Path], Export]
    rules: str = ""

    def load_all(self) -> Iterator[ErpLoad]:
        """Deal with all files that wait, in order of arrival; a file that changes meanwhile waits.

        Yields what became of each, when it is remembered.
        """
        for load in erp_landing.gone(self.paths, self.kind):
            self._remember(replace(load, is_gone=True))
        yield from self._read_again()
        tried: set[str] = set()
        while waiting := [it for it in self._pending() if it.key not in tried]:
            tried.add(waiting[0].key)
            self._wait_until_settled(waiting[0])
            if done := self._load(waiting[0]):
                yield done

    def _pending(self) -> list[Landed]:
        return erp_landing.pending(self.paths, self.kind)

    def _wait_until_settled(self, file: Landed) -> None:
        seconds = (file.settles_at - datetime.now(UTC)).total_seconds()
        if seconds > 0:
            self.log.info(
                f"{plain_text(file.name)} was written just now; waiting for it to be whole"
            )
            time.sleep(seconds)

    def _load(self, file: Landed) -> ErpLoad | None:
        """Load a file, or reject it; None if it was overwritten or deleted meanwhile."""
        load = ErpLoad(file.name, file.generation, "", file.arrived_at, datetime.now(UTC))
        with TemporaryDirectory() as folder:
            local = Path(folder) / "erp"
            try:
                load = replace(load, sha256=erp_landing.fetch(self.paths, file, local))
            except FileNotFoundError:
                return None
            except OSError as error:
                return self._remembered(
                    self._rejected(load, f"it cannot be read: {error.strerror}; mend that")
                )
            if file not in erp_landing.landed(self.paths, self.kind):
                return None
            raw_erp.keep_file(self.paths, self.kind, load.key, local)
            if not self._same_bytes_before(load):
                load = self._judged(load, local)
        return self._remembered(load)

    def _remembered(self, load: ErpLoad) -> ErpLoad:
        """Remember a load last, when all else is in place."""
        load = replace(load, rules=self.rules)
        self._remember(load)
        return load

    def _remember(self, load: ErpLoad) -> None:
        erp_landing.record(self.paths, self.kind, load)
        self._ledger[load.key] = load

    def _same_bytes_before(self, load: ErpLoad) -> bool:
        """Whether its name held the same bytes before, which would be judged alike again."""
        earlier = [it for it in self._loads() if it.name == load.name]
        return bool(earlier) and (load.sha256, "", 0, self.rules) == (
            earlier[-1].sha256,
            earlier[-1].reason,
            earlier[-1].rejected,
            earlier[-1].rules,
        )

    def _read_again(self) -> Iterator[ErpLoad]:
        """Read the newest file again where it was judged by other rules.

        One that they reject stays the newest: the file before it tells an older state.
        """
        used = [it for it in self._loads() if it.was_newest]
        if not used or used[-1].rules == self.rules:
            return
        name = plain_text(used[-1].name)
        self.log.info(f"{name} is read again: the exchanges are others than then")
        with TemporaryDirectory() as folder:
            local = Path(folder) / "erp"
            local.write_bytes(files.read(raw_erp.source(self.paths, self.kind, used[-1].key)))
            again = replace(used[-1], loaded_at=datetime.now(UTC))
            yield self._remembered(self._judged(again, local))

    def _judged(self, load: ErpLoad, local: Path) -> ErpLoad:
        try:
            export = self.read(local)
        except ErpFileError as error:
            return self._rejected(load, str(error))
        known = raw_erp.load_if_any(self.paths, self.kind)
        if known is None and any(it.status == "loaded" for it in self._loads()):
            # Taken for the first file, this one would leave out all history before it.
            raise DamagedError(
                f"{self.kind} were loaded before, and {self.paths.current_erp(self.kind)} is "
                "missing: put it back (docs/runbooks/lake-object-lost.md), then run erp_load again"
            )
        learned = learn(
            known.facts if known else None,
            export,
            CONTRACTS[self.kind],
            Told(load.name, load.loaded_at, superseded=self._is_superseded(load)),
        )
        rejected = export.rejected.to_pylist()
        raw_erp.save(self.paths, ErpFacts(self.kind, load.key, learned.facts, rejected))
        if learned.is_late:
            name = plain_text(load.name)
            self.log.warning(f"{name} came late: newer facts are known, and stay")
        return replace(
            load,
            status="late" if learned.is_late else "loaded",
            accepted=export.accepted.num_rows,
            rejected=len(rejected),
            sample=rejected[:SAMPLE_ROWS],
            outdated=learned.outdated,
        )

    def _is_superseded(self, load: ErpLoad) -> bool:
        """Whether these bytes were loaded before, and others since.

        Under a name that held others meanwhile somebody put them back, and means it.
        """
        loads = self._loads()
        if any(it.name == load.name and it.key != load.key for it in loads):
            return False
        used = [it.sha256 for it in loads if it.status == "loaded"]
        return load.sha256 in used[:-1] and used[-1] != load.sha256

    def _loads(self) -> list[ErpLoad]:
        return sorted(self._ledger.values(), key=lambda it: (it.arrived_at, it.name))

    @cached_property
    def _ledger(self) -> dict[str, ErpLoad]:
        """What became of each file, by its key; read once, for only one loader runs at a time."""
        return {it.key: it for it in erp_landing.loads(self.paths, self.kind)}

    def _rejected(self, load: ErpLoad, reason: str) -> ErpLoad:
        load = replace(load, status="rejected", reason=reason)
        self.log.error(sentence(load))
        return load


def sentence(load: ErpLoad) -> str:
    """What became of a file, as plain text."""
    name = plain_text(load.name)
    if load.status == "rejected":
        return f"{name} was rejected, nothing of it is used: {plain_text(load.reason)}"
    if load.status == "unchanged":
        return f"{name} holds the same bytes as before"
    told = f"{name}: {load.accepted:,} rows accepted, {load.rejected:,} rejected"
    if load.status == "late":
        return f"{told}; it came late, {load.outdated:,} rows tell older states than are known"
    return told
