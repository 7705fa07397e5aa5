"""Lock files that show whether a process is alive.

The operating system releases the locks of a process that ends, even by SIGKILL, and passes them to
no other. A process number alone does not show that much: another process may have it by now.
"""

import fcntl
import os
from pathlib import Path
from typing import Final

from filelock import FileLock, Timeout

# A lock is released when nothing refers to it.
_HELD: Final[dict[Path, FileLock]] = {}
# A process that only looks at a lock holds it for microseconds.
MOMENT_S: Final = 1


def acquire(path: Path, timeout_s: float = -1) -> bool:
    """Lock a file until `release` or the end of this process, and write its number there.

    Args:
        path: the file; it is created where it does not exist.
        timeout_s: how long to wait for another holder; indefinitely by default.

    Returns:
        Whether the lock is new: neither this process nor another one holds it already.
    """
    if path in _HELD:
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path, thread_local=False)
    try:
        lock.acquire(timeout=timeout_s)
    except Timeout:
        return False
    _HELD[path] = lock
    path.write_text(str(os.getpid()))
    return True


def release(path: Path) -> None:
    """Delete a lock file that this process holds, or that the process which held it left behind."""
    if path in _HELD or (path.exists() and acquire(path, timeout_s=MOMENT_S)):
        path.unlink(missing_ok=True)
        _HELD.pop(path).release()


def is_held(path: Path) -> bool:
    """Whether a living process, possibly this one, holds the lock."""
    try:
        file = path.open()
    except FileNotFoundError:
        return False
    with file:
        try:
            # Shared, so that two processes that look at the same time do not see each other.
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def holder_pid(path: Path) -> int | None:
    """Return the number of the process that held the lock last, or None if nothing recorded it."""
    try:
        return int(path.read_text())
    except (FileNotFoundError, ValueError):
        return None
