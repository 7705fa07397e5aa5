"""Processes that end with the test that started them."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from stock_platform_tests.support import ROOT


@contextmanager
def running(*command: object, **options: Any) -> Iterator[subprocess.Popen[str]]:
    """A process in the repository's folder, killed at the end of the block."""
    words = [str(word) for word in command]
    with subprocess.Popen(words, cwd=ROOT, text=True, **options) as process:  # noqa: S603
        try:
            yield process
        finally:
            process.kill()
