"""A PostgreSQL server of its own, on a free port of loopback, for as long as it is needed."""

import os
import pwd
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from stock_platform_tests.webserver import free_port

_DEBIAN = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda it: float(it.parent.name))
_PROGRAMS = ":".join([os.environ.get("PATH", ""), *map(str, reversed(_DEBIAN))])
INSTALLED = shutil.which("initdb", path=_PROGRAMS) is not None
# PostgreSQL refuses to be run by root.
_USER = "nobody" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name


@contextmanager
def postgres() -> Iterator[str]:
    """The URL of a new, empty database, which ends with the block."""
    # Not in pytest's own folder, which only the user of the tests may enter.
    with TemporaryDirectory(prefix="postgres-") as folder:
        shutil.chown(folder, _USER)
        port = free_port()
        _call("initdb", "-D", folder, "-U", _USER, "--auth=trust", "--encoding=UTF8")
        options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories=''"
        _call("pg_ctl", "-D", folder, "-w", "-o", options, "-l", f"{folder}/log", "start")
        try:
            yield f"postgresql://{_USER}@127.0.0.1:{port}/postgres"
        finally:
            _call("pg_ctl", "-D", folder, "-w", "-m", "immediate", "stop")


def storage(url: str) -> dict[str, Any]:
    """A setting of Dagster's instance: all its storage in the database, as production has it."""
    return {"storage": {"postgres": {"postgres_url": url}}}


def _call(program: str, *arguments: str) -> None:
    command = [str(shutil.which(program, path=_PROGRAMS)), *arguments]
    as_user: dict[str, Any] = {"user": _USER, "extra_groups": []} if os.geteuid() == 0 else {}
    subprocess.run(  # noqa: S603 - the server's own programs
        command, check=True, stdout=subprocess.DEVNULL, cwd="/", **as_user
    )
