"""Programs of Debian packages, installed if they are missing and the tests run as root."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest
from filelock import FileLock


def need(program: str, package: str, path: str | None = None) -> str:
    """Return a program's path; skip the test if it is missing and cannot be installed."""
    if found := shutil.which(program, path=path):
        return found
    if os.geteuid() or not shutil.which("apt-get"):
        pytest.skip(f"needs {program}, of Debian's package {package}, and root to install it")
    install(package)
    return shutil.which(program, path=path) or program


def install(package: str) -> None:
    """Install a package and its dependencies, one test worker at a time."""
    with FileLock(Path(tempfile.gettempdir(), "stock-platform-tests-apt.lock")):
        for command in (["update"], ["install", "--yes", "--no-install-recommends", package]):
            subprocess.run(  # noqa: S603
                ["apt-get", "--quiet", *command],  # noqa: S607
                check=True,
                stdout=subprocess.DEVNULL,
                env=os.environ | {"DEBIAN_FRONTEND": "noninteractive"},
            )
