"""A disk on which one file operation of the lake fails, selected by number."""

import errno
import os
from contextlib import contextmanager
from pathlib import Path

import pytest
from fsspec.implementations.local import LocalFileSystem

WRITES = ("pipe_file", "cp_file")
OPERATIONS = ("makedirs", "mv", "rm", "rm_file", *WRITES)
# Of `files.create`, which writes a temporary file, flushes it, and links it.
SYSTEM = {os: ("fsync", "link"), Path: ("unlink",)}


class Killed(BaseException):
    """The process was killed; no handler may touch the disk after it."""


class FailingDisk:
    """Counts file operations, and fails at one of them.

    A write counts twice, because it can fail before the first byte or with half of the bytes
    written. The numbers of the latter are in `writes`.
    """

    def __init__(self, fail_at=None, error=None):
        self.count = 0
        self.writes = []
        self.fail_at = fail_at
        self.error = error
        self.is_dead = False

    def step(self):
        if self.is_dead:
            raise Killed
        self.count += 1
        if self.count == self.fail_at:
            self.is_dead = self.error is None
            raise self.error or Killed

    def wrap(self, name, real):
        def operation(filesystem, path, *others, **options):
            self.step()
            if name in WRITES:
                self.writes.append(self.count + 1)
                try:
                    self.step()
                except (Killed, OSError):
                    self.write_half(name, path, *others)
                    raise
            return real(filesystem, path, *others, **options)

        return operation

    def write_half(self, name, path, other):
        content = other if name == "pipe_file" else Path(path).read_bytes()
        target = Path(path if name == "pipe_file" else other)
        target.write_bytes(content[: len(content) // 2])

    def wrap_system(self, real):
        def operation(*arguments, **options):
            self.step()
            return real(*arguments, **options)

        return operation

    @contextmanager
    def installed(self):
        """Route the lake's operations on local files through this object."""
        with pytest.MonkeyPatch.context() as patch:
            for name in OPERATIONS:
                patch.setattr(
                    LocalFileSystem, name, self.wrap(name, getattr(LocalFileSystem, name))
                )
            for owner, names in SYSTEM.items():
                for name in names:
                    patch.setattr(owner, name, self.wrap_system(getattr(owner, name)))
            yield self


def full_disk():
    return OSError(errno.ENOSPC, "No space left on device")
