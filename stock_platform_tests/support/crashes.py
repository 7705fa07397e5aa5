"""Processes that are killed or paused at one of their boundaries, selected by number or name.

A boundary is an event of Dagster, or an operation that changes a file below a folder. The process
stops before the operation. If it is killed, it ends without any clean-up, as if the power had
failed.
"""

import os
import signal
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, Self

import dagster as dg

KILLED: Final = 137
_FAILED: Final = 1
# Operations that Python reports before it executes them, with a path as the first argument.
_CHANGES: Final = frozenset(
    {"os.link", "os.mkdir", "os.remove", "os.rename", "os.rmdir", "os.symlink", "shutil.move"}
)
_WRITES: Final = os.O_WRONLY | os.O_RDWR | os.O_CREAT


def kill() -> None:
    """End this process at once."""
    os._exit(KILLED)


def pause() -> None:
    """Stop this process until another one resumes it."""
    os.kill(os.getpid(), signal.SIGSTOP)


class Boundaries:
    """Counts the boundaries of this process, and stops it at one of them.

    Args:
        folder: the folder whose files count.
        stop_at: number of the boundary, from 1, or its name; None only counts.
        stop: kills or pauses the process, once.
    """

    def __init__(
        self,
        folder: Path,
        stop_at: int | str | None = None,
        stop: Callable[[], object] = kill,
    ) -> None:
        self._folder = str(folder)
        self._stop_at = stop_at
        self._stop = stop
        self.names: list[str] = []

    def install(self, instance: dg.DagsterInstance) -> None:
        """Count from now on, until the process ends: an audit hook cannot be removed."""
        handle = instance.handle_new_event

        def counted(event: Any, **options: Any) -> Any:
            if found := event.dagster_event:
                self._reach(f"event {found.event_type_value} {found.step_key or ''}".rstrip())
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
        if self._stop_at in (len(self.names), name):
            self._stop_at = None
            self._stop()


class Fork:
    """A forked process that does some work, and ends with the block.

    Args:
        work: what it does.
    """

    def __init__(self, work: Callable[[], object]) -> None:
        self._has_ended = False
        self._pid = os.fork()
        if self._pid == 0:
            status = 0
            try:
                work()
            except BaseException:  # noqa: BLE001 - the parent sees the status
                traceback.print_exc()
                status = _FAILED
            finally:
                sys.stderr.flush()
                os._exit(status)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if not self._has_ended:
            os.kill(self._pid, signal.SIGKILL)
            os.waitpid(self._pid, 0)

    def wait(self) -> int | None:
        """Wait until it ends or pauses. Return its exit status, or None if it is paused."""
        _, status = os.waitpid(self._pid, os.WUNTRACED)
        self._has_ended = not os.WIFSTOPPED(status)
        return os.waitstatus_to_exitcode(status) if self._has_ended else None

    def resume(self) -> None:
        """Let it go on."""
        os.kill(self._pid, signal.SIGCONT)


def in_process(work: Callable[[], object]) -> int | None:
    """Do some work in a forked process. Return its exit status."""
    with Fork(work) as process:
        return process.wait()
