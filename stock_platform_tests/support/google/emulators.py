"""Emulators of Cloud Storage and BigQuery, and credentials that open nothing.

If ``STORAGE_EMULATOR_HOST`` and ``BIGQUERY_EMULATOR_HOST`` are set, the running emulators are used;
otherwise a tool next to this repository starts both.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from stock_platform_tests.support.google.token_server import token_server

PROJECT = "local-project"
TOOL = Path(__file__).resolve().parents[4] / "shared/tools/google-emulators/google-emulators"
_NAMES = ("STORAGE_EMULATOR_HOST", "BIGQUERY_EMULATOR_HOST")
_PRINT_ENVIRONMENT = (
    "import json, os, sys; print(json.dumps(dict(os.environ)), flush=True); sys.stdin.read()"
)


@dataclass(frozen=True)
class Google:
    """Running emulators.

    Attributes:
        environment: variables that direct Google's clients to them.
        private_key: of the platform's service account.
    """

    environment: dict[str, str]
    private_key: str


@contextmanager
def google(folder: Path) -> Iterator[Google]:
    """Emulators and an account until the end of the block."""
    with _emulators(folder) as hosts, token_server() as token_uri:
        key = _private_key()
        account = folder / "account.json"
        account.write_text(json.dumps(_account(key, token_uri)))
        environment = {
            **hosts,
            "GOOGLE_CLOUD_PROJECT": PROJECT,
            "GOOGLE_APPLICATION_CREDENTIALS": str(account),
            "NO_PROXY": "127.0.0.1,localhost",
        }
        yield Google(environment, key)


@contextmanager
def _emulators(folder: Path) -> Iterator[dict[str, str]]:
    if all(name in os.environ for name in _NAMES):
        yield {name: os.environ[name] for name in _NAMES}
        return
    if not TOOL.exists():
        pytest.skip("no emulators of Cloud Storage and BigQuery: docs/google-cloud.md says how")
    command = [str(TOOL), "run", "--data-dir", str(folder / "emulators"), "--"]
    child = subprocess.Popen(  # noqa: S603 - our own command
        [*command, sys.executable, "-c", _PRINT_ENVIRONMENT],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with child:
        assert child.stdin is not None
        assert child.stdout is not None
        environment = next(line for line in child.stdout if line.startswith("{"))
        try:
            yield {name: json.loads(environment)[name] for name in _NAMES}
        finally:
            child.stdin.close()


def _private_key() -> str:
    key = rsa.generate_private_key(65537, 2048)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def _account(key: str, token_uri: str) -> dict[str, str]:
    return {
        "type": "service_account",
        "project_id": PROJECT,
        "private_key_id": "key",
        "private_key": key,
        "client_email": f"platform@{PROJECT}.iam.gserviceaccount.com",
        "client_id": "1",
        "token_uri": token_uri,
    }
