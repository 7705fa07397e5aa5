"""A lock shows whether its process is alive, whatever its number."""

import os
import subprocess
import sys

import pytest

from stock_platform.orchestration import process_locks
from stock_platform_tests.support.processes import running

HOLD = """
import sys
from pathlib import Path
from stock_platform.orchestration import process_locks
process_locks.acquire(Path(sys.argv[1]))
print("held", flush=True)
sys.stdin.readline()
process_locks.release(Path(sys.argv[1]))
print("released", flush=True)
sys.stdin.readline()
"""


@pytest.fixture
def path(tmp_path):
    return tmp_path / "locks" / "run"


def process(path):
    pipes = dict.fromkeys(("stdin", "stdout"), subprocess.PIPE)
    return running(sys.executable, "-c", HOLD, path, **pipes)


def test_killed_process_loses_lock(path):
    with process(path) as holder:
        assert holder.stdout.readline() == "held\n"
        assert process_locks.is_held(path)
        assert process_locks.holder_pid(path) == holder.pid
        assert not process_locks.acquire(path, timeout_s=0)
        holder.kill()
        holder.wait()
        assert not process_locks.is_held(path)


def test_pid_alone_does_not_hold_lock(path):
    path.parent.mkdir()
    path.write_text(str(os.getpid()))
    assert process_locks.holder_pid(path) == os.getpid()
    assert not process_locks.is_held(path)


def test_process_sees_its_own_lock(path):
    assert not process_locks.is_held(path)
    assert process_locks.acquire(path)
    assert process_locks.is_held(path)
    assert not process_locks.acquire(path)
    process_locks.release(path)
    assert not process_locks.is_held(path)
    assert not path.exists()


def test_waiting_process_holds_recreated_lock(path):
    with process(path) as holder:
        assert holder.stdout.readline() == "held\n"
        with process(path) as waiting:
            holder.communicate("\n")
            assert waiting.stdout.readline() == "held\n"
            assert process_locks.holder_pid(path) == waiting.pid
            assert process_locks.is_held(path)


def test_living_process_keeps_lock_file(path):
    with process(path) as holder:
        assert holder.stdout.readline() == "held\n"
        process_locks.release(path)
        assert process_locks.is_held(path)


def test_dead_process_loses_lock_file(path):
    with process(path) as holder:
        assert holder.stdout.readline() == "held\n"
    process_locks.release(path)
    assert not path.exists()
