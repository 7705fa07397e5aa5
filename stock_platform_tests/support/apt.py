"""Programs of Debian's packages, installed where they are not and the tests may."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest
from filelock import FileLock


def need(program: str, package: str, path: str | None = None) -> str:
    """Where a program is; the test is skipped where it is not and cannot be installed."""
    if found := shutil.which(program, path=path):
        return found
    if os.geteuid() or not shutil.which("apt-get"):
        pytest.skip(f"needs {program}, of Debian's package {package}, and root to install it")
    install(package)
    return shutil.which(program, path=path) or program


def install(package: str) -> None:
    """Install a package, and what it needs; of workers that test side by side, one at a time."""
    with FileLock(Path(tempfile.gettempdir(), "stock-platform-tests-apt.lock")):
        for command in (["update"], ["install", "--yes", "--no-install-recommends", package]):
            subprocess.run(  # noqa: S603
                ["apt-get", "--quiet", *command],  # noqa: S607
                check=True,
                stdout=subprocess.DEVNULL,
                env=os.environ | {"DEBIAN_FRONTEND": "noninteractive"},
            )
