"""Processes that are killed at one of their boundaries, selected by number.

A boundary is an event of Dagster, or an operation that changes a file below a folder. The process
ends before the operation, without any clean-up, as if it had been killed or the power had failed.
"""

import os
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import dagster as dg

KILLED: Final = 137
_FAILED: Final = 1
# Operations that Python reports before it executes them, with a path as the first argument.
_CHANGES: Final = frozenset(
    {"os.link", "os.mkdir", "os.remove", "os.rename", "os.rmdir", "os.symlink", "shutil.move"}
)
_WRITES: Final = os.O_WRONLY | os.O_RDWR | os.O_CREAT


class Boundaries:
    """Counts the boundaries of this process, and ends it at one of them.

    Args:
        folder: the folder whose files count.
        kill_at: number of the boundary, from 1; None only counts.
    """

    def __init__(self, folder: Path, kill_at: int | None = None) -> None:
        self._folder = str(folder)
        self._kill_at = kill_at
        self.names: list[str] = []

    def install(self, instance: dg.DagsterInstance) -> None:
        """Count from now on, until the process ends: an audit hook cannot be removed."""
        handle = instance.handle_new_event

        def counted(event: Any, **options: Any) -> Any:
            if event.dagster_event is not None:
                self._reach(f"event {event.dagster_event.event_type_value}")
            return handle(event, **options)

        instance.handle_new_event = counted  # type: ignore[method-assign]
        sys.addaudithook(self._audit)

    def _audit(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open":
            path, _, flags = arguments
            if not (isinstance(flags, int) and flags & _WRITES):
                return
        elif event in _CHANGES:
            path = arguments[0]
        else:
            return
        if isinstance(path, str | bytes | os.PathLike) and os.fsdecode(path).startswith(
            self._folder
        ):
            self._reach(f"{event} {os.path.relpath(os.fsdecode(path), self._folder)}")

    def _reach(self, name: str) -> None:
        self.names.append(name)
        if len(self.names) == self._kill_at:
            os._exit(KILLED)


def in_process(work: Callable[[], object]) -> int:
    """Do some work in a forked process, and return its exit status."""
    child = os.fork()
    if child == 0:
        status = 0
        try:
            work()
        except BaseException:  # noqa: BLE001 - the parent sees the status
            traceback.print_exc()
            status = _FAILED
        finally:
            sys.stderr.flush()
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
