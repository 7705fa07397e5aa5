"""Processes that execute a run on the instance of DAGSTER_HOME, like a command.

``python -m stock_platform_tests.support.commands STATE``: ``executing`` holds a slot of the
pool `warehouse` until a line arrives on its standard input, ``created`` has not started its run.
Each prints a line when its state is reached.
"""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg

from stock_platform_tests.support import ROOT
from stock_platform_tests.support.processes import running

STATE = sys.argv[1] if __name__ == "__main__" else ""


def new_home(folder: Path) -> Path:
    """Make a folder, which may exist, the home of a laptop's instance."""
    folder.mkdir(exist_ok=True)
    shutil.copy(ROOT / "dagster.yaml", folder)
    return folder


def wait_for_line():
    print("ready", flush=True)  # noqa: T201 - the test reads it
    sys.stdin.readline()


@dg.op(pool="warehouse")
def load():
    wait_for_line()


@dg.job(executor_def=dg.in_process_executor)
def loads():
    load()


@contextmanager
def ready_command(state: str = "executing") -> Iterator[subprocess.Popen[str]]:
    """A process whose run has reached a state; killed at the end of the block."""
    pipes = dict.fromkeys(("stdin", "stdout"), subprocess.PIPE)
    command = (sys.executable, "-m", __name__, state)
    with running(*command, **pipes, stderr=subprocess.DEVNULL) as process:
        assert process.stdout.readline() == "ready\n"
        yield process


def killed_command(state: str = "executing") -> subprocess.Popen[str]:
    """A process that was killed when its run had reached a state."""
    with ready_command(state) as process:
        process.kill()
    return process


if __name__ == "__main__":
    with dg.DagsterInstance.get() as instance:
        if STATE == "created":
            instance.create_run_for_job(loads)
            wait_for_line()
        else:
            loads.execute_in_process(instance=instance, raise_on_error=False)
