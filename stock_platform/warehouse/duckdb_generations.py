"""Read-only generations of a DuckDB file, because DuckDB locks a file that is open for writing.

A generation is a copy of the file after a load, in the folder `read/` next to the file. A symbolic
link with the name of the file refers to the newest generation. DuckDB resolves the link when it
opens it, so a reader keeps its generation while later ones are published.
"""

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Final

from stock_platform.lake import files

if TYPE_CHECKING:
    from collections.abc import Sequence

    from duckdb import DuckDBPyConnection

# A reader that has resolved the link has this many publications minus one to open the file.
_KEPT: Final = 3
# A file may be larger than its live blocks by this factor, because deletes leave free blocks.
_MAX_BLOAT: Final = 1.5
_MIN_BLOATED_BYTES: Final = 32 * 1024**2


class Generations:
    """The generations of a DuckDB file.

    Only the holder of the warehouse's lock may publish, and only while its process has no
    connection to the file: a process that closes any handle of a file loses DuckDB's lock on it.

    Attributes:
        link: the path that readers open.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._folder = file.parent / "read"
        self.link = self._folder / file.name

    def newest(self) -> Path | None:
        """Return the newest generation, or None if there is none.

        A file in the place of the link, which some backup tools leave there, does not count.
        """
        is_link = self.link.is_symlink() and self.link.exists()
        return self._folder / self.link.readlink() if is_link else None

    def is_current(self) -> bool:
        """Whether the newest generation is a copy of the file as it is now.

        Otherwise a process died before it published, or a person changed, replaced or deleted one
        of the two.
        """
        newest = self.newest()
        if newest is None or not self._file.exists():
            return False
        return not _wal(self._file).exists() and _version(self._file) == _version(newest)

    def publish(self) -> None:
        """Copy the file to a new generation, and let the link refer to the copy."""
        self._folder.mkdir(exist_ok=True)
        kept = self._all()[1 - _KEPT :]
        number = _number(kept[-1]) + 1 if kept else 1
        generation = self._folder / f"{self._file.stem}.{number:08}.duckdb"
        copied = self._file.stat()
        incoming = self._folder / f"{self._file.stem}.incoming"
        incoming.unlink(missing_ok=True)
        shutil.copyfile(self._file, incoming)
        os.utime(incoming, ns=(copied.st_atime_ns, copied.st_mtime_ns))
        incoming.chmod(0o444)
        files.sync(incoming)
        incoming.rename(generation)
        incoming.symlink_to(generation.name)
        incoming.replace(self.link)
        files.sync(self._folder)
        for outdated in set(self._all()) - {*kept, generation}:
            outdated.unlink()
            _wal(outdated).unlink(missing_ok=True)

    def _all(self) -> "Sequence[Path]":
        """Return all generations, oldest first."""
        return sorted(self._folder.glob(f"{self._file.stem}.{'[0-9]' * 8}.duckdb"))


def is_bloated(connection: "DuckDBPyConnection", file: Path) -> bool:
    """Whether a file has more free blocks than a compaction is worth. Needs a checkpoint before."""
    size = file.stat().st_size
    ((live,),) = connection.execute(
        "SELECT block_size * used_blocks FROM pragma_database_size() "
        "WHERE database_name = current_database()"
    ).fetchall()
    return size > _MIN_BLOATED_BYTES and size > _MAX_BLOAT * live


def compact(file: Path) -> None:
    """Replace a file by a copy without free blocks."""
    import duckdb  # noqa: PLC0415 - heavy import

    compacted = file.with_name(f"{file.name}.compacted")
    compacted.unlink(missing_ok=True)
    _wal(compacted).unlink(missing_ok=True)
    with duckdb.connect(":memory:") as connection:
        connection.execute(f"ATTACH {_literal(file)} AS bloated (READ_ONLY)")
        connection.execute(f"ATTACH {_literal(compacted)} AS compacted")
        connection.execute("COPY FROM DATABASE bloated TO compacted")
    files.sync(compacted)
    compacted.replace(file)
    files.sync(file.parent)


def _version(file: Path) -> tuple[int, int]:
    found = file.stat()
    return found.st_mtime_ns, found.st_size


def _number(generation: Path) -> int:
    return int(generation.stem.rpartition(".")[2])


def _wal(file: Path) -> Path:
    return file.with_name(f"{file.name}.wal")


def _literal(file: Path) -> str:
    return "'" + str(file).replace("'", "''") + "'"
