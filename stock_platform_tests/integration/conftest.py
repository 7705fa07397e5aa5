"""The container image, built once."""

import os
import shutil
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from stock_platform_tests.support import ROOT
from stock_platform_tests.support.containers.image import build


@pytest.fixture(scope="session")
def image():
    """The Dockerfile's last stage, next to `clean`, its initial system."""
    if os.geteuid():
        pytest.skip("needs root for a root filesystem; with a container engine: docker compose up")
    uv = str(shutil.which("uv", path=ROOT / ".venv/bin"))
    cache = subprocess.run([uv, "cache", "dir"], capture_output=True, text=True, check=True)  # noqa: S603
    with TemporaryDirectory(prefix="image-") as folder:
        Path(folder).chmod(0o755)
        yield build(ROOT, Path(folder), Path(cache.stdout.strip()))
