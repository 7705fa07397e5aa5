"""PostgreSQL servers on a free port of loopback until the end of a block."""

import os
import pwd
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from stock_platform_tests.support.apt import need
from stock_platform_tests.support.webserver import free_port

# PostgreSQL does not run as root.
_USER = "nobody" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name


@contextmanager
def postgres() -> Iterator[str]:
    """The URL of a new, empty database."""
    with _server("postgres", "trust") as port:
        yield f"postgresql://{_USER}@127.0.0.1:{port}/postgres"


@contextmanager
def as_in_compose() -> Iterator[int]:
    """The port of a server as in docker-compose.yml: every client is `dagster`."""
    with _server("dagster", "trust") as port:
        yield port


@contextmanager
def as_in_production(password: str) -> Iterator[int]:
    """The port of a server like Cloud SQL: requires a password for `dagster`, and encryption."""
    with _server("dagster", "scram-sha-256", password) as port:
        yield port


def installed() -> bool:
    """Whether PostgreSQL is installed."""
    return shutil.which("pg_ctl", path=_programs()) is not None


def require() -> None:
    """Skip the test if PostgreSQL is missing and cannot be installed."""
    need("pg_ctl", "postgresql", path=_programs())


@contextmanager
def _server(database: str, auth: str, password: str = "") -> Iterator[int]:
    require()
    # Not in pytest's folder, which only the tests' user may enter.
    with TemporaryDirectory(prefix="postgres-") as folder:
        shutil.chown(folder, _USER)
        user = _USER if database == "postgres" else database
        secret = Path(folder, "password")
        secret.write_text(password or "none")
        shutil.chown(secret, _USER)
        data, port = f"{folder}/data", free_port()
        _call("initdb", "-D", data, "-U", user, f"--auth={auth}", f"--pwfile={secret}",
              "--encoding=UTF8")  # fmt: skip
        options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories=''"
        if password:
            _certificate(Path(data))
            options += " -c ssl=on"
            Path(data, "pg_hba.conf").write_text(f"hostssl all all 127.0.0.1/32 {auth}\n")
        _call("pg_ctl", "-D", data, "-w", "-o", options, "-l", f"{data}/log", "start")
        try:
            if database != "postgres":
                _call("createdb", "-h", "127.0.0.1", "-p", str(port), "-U", user, database,
                      PGPASSWORD=password)  # fmt: skip
            yield port
        finally:
            _call("pg_ctl", "-D", data, "-w", "-m", "immediate", "stop")


def storage(url: str) -> dict[str, Any]:
    """Settings of a Dagster instance with all its storage in the database, as in production."""
    return {"storage": {"postgres": {"postgres_url": url}}}


def _certificate(data: Path) -> None:
    """Make a self-signed certificate; it suffices for clients that only encrypt."""
    key, certificate = data / "server.key", data / "server.crt"
    _call("openssl", "req", "-new", "-x509", "-days", "1", "-nodes", "-subj", "/CN=localhost",
          "-keyout", str(key), "-out", str(certificate))  # fmt: skip
    key.chmod(0o600)


def _programs() -> str:
    debian = sorted(
        Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: float(path.parent.name)
    )
    return ":".join([os.environ.get("PATH", ""), *map(str, reversed(debian))])


def _call(program: str, *arguments: str, **variables: str) -> None:
    command = [str(shutil.which(program, path=_programs())), *arguments]
    as_user: dict[str, Any] = {"user": _USER, "extra_groups": []} if os.geteuid() == 0 else {}
    subprocess.run(  # noqa: S603 - the server's own programs
        command,
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL if program == "openssl" else None,
        cwd="/",
        env=os.environ | {"HOME": "/nonexistent"} | variables,
        **as_user,
    )
