"""Emulators of Cloud Storage and BigQuery, and credentials that open nothing.

Where ``STORAGE_EMULATOR_HOST`` and ``BIGQUERY_EMULATOR_HOST`` are set, the emulators at these
addresses are used; else both are installed and started.
"""

import json
import os
import platform
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_fixed

from stock_platform_tests.support.google.installation import Installation, install
from stock_platform_tests.support.google.token_server import token_server

PROJECT = "local-project"
_HOSTS = ("STORAGE_EMULATOR_HOST", "BIGQUERY_EMULATOR_HOST")
_MACHINES = ("x86_64", "aarch64")
_START_TIMEOUT_S = 60
# Nothing else of the environment: local-bigquery takes settings and proxies from it.
_INHERITED = ("LD_LIBRARY_PATH", "TMPDIR")
# prctl(PR_SET_PDEATHSIG, SIGKILL): a killed test process leaves no server behind.
_RUN_UNTIL_PARENT_ENDS = """
import ctypes, os, sys
ctypes.CDLL(None).prctl(1, 9)
os.execv(sys.argv[1], sys.argv[1:])
"""


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
    if all(name in os.environ for name in _HOSTS):
        yield {name: os.environ[name] for name in _HOSTS}
        return
    if sys.platform != "linux" or platform.machine() not in _MACHINES:
        pytest.skip("needs Linux on x86-64 or ARM64: the emulators are packaged for these")
    installation = install()
    with (
        _storage(installation, folder) as storage,
        _bigquery(installation, folder, storage) as bigquery,
    ):
        yield dict(zip(_HOSTS, (storage, bigquery), strict=True))


@contextmanager
def _storage(installation: Installation, folder: Path) -> Iterator[str]:
    with _free_port() as port:
        host = f"127.0.0.1:{port}"
        options = {"scheme": "http", "external-url": f"http://{host}", "public-host": host}
        options["filesystem-root"] = str(folder / "storage")
        command = _command(installation.storage, port, options)
        probe = f"http://{host}/storage/v1/b?project={PROJECT}"
        with _server(command, {}, probe, folder / "storage.log"):
            yield f"http://{host}"


@contextmanager
def _bigquery(installation: Installation, folder: Path, storage: str) -> Iterator[str]:
    with _free_port() as port:
        url = f"http://127.0.0.1:{port}"
        options = {"grpc-port": "0", "project": PROJECT, "data-dir": str(folder / "bigquery")}
        command = _command(installation.bigquery, port, options)
        variables = {"HOME": str(installation.home), "STORAGE_EMULATOR_HOST": storage}
        probe = f"{url}/bigquery/v2/projects/{PROJECT}/datasets"
        with _server(command, variables, probe, folder / "bigquery.log"):
            yield url


def _command(program: Path, port: int, options: dict[str, str]) -> list[str]:
    options = {"host": "127.0.0.1", "port": str(port), **options}
    return [str(program), *(f"--{name}={value}" for name, value in options.items())]


@contextmanager
def _free_port() -> Iterator[int]:
    """Reserve a port: bound here without listening, a server with SO_REUSEADDR can bind too."""
    with socket.socket() as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.bind(("127.0.0.1", 0))
        yield holder.getsockname()[1]


@contextmanager
def _server(command: list[str], variables: dict[str, str], probe: str, log: Path) -> Iterator[None]:
    inherited = {name: os.environ[name] for name in _INHERITED if name in os.environ}
    with (
        log.open("wb") as output,
        subprocess.Popen(  # noqa: S603
            [sys.executable, "-c", _RUN_UNTIL_PARENT_ENDS, *command],
            env=inherited | variables,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        ) as process,
    ):
        try:
            _wait_until_up(process, probe, log)
            yield
        finally:
            process.kill()


def _wait_until_up(process: subprocess.Popen[bytes], probe: str, log: Path) -> None:
    with requests.Session() as http:
        http.trust_env = False  # no proxy
        for attempt in Retrying(
            retry=retry_if_exception_type(requests.RequestException),
            wait=wait_fixed(0.05),
            stop=stop_after_delay(_START_TIMEOUT_S),
            reraise=True,
        ):
            with attempt:
                assert process.poll() is None, log.read_text()[-4000:]
                http.get(probe, timeout=2).raise_for_status()


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
