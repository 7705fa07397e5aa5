"""Fixtures for all tests: a local Yahoo, a platform in a folder, and Google's emulators."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from stock_platform_tests.support.google import emulators
from stock_platform_tests.support.google.emulators import Google
from stock_platform_tests.support.local_yahoo import Yahoo, served
from stock_platform_tests.support.platform_fixture import Platform

# How long an example takes depends on how busy the machine is.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

# A shell ignores SIGINT in background processes. After a run, Dagster gives SIGTERM the handler of
# SIGINT, and the processes that tests start would inherit it and ignore SIGTERM.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def platform(tmp_path: Path) -> Iterator[Platform]:
    with Platform(tmp_path) as platform:
        yield platform


@pytest.fixture(scope="session")
def google(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Google]:
    with (
        emulators.google(tmp_path_factory.mktemp("google")) as emulated,
        pytest.MonkeyPatch.context() as patch,
    ):
        for name, value in emulated.environment.items():
            patch.setenv(name, value)
        yield emulated


@pytest.fixture
def yahoo() -> Iterator[Yahoo]:
    with served(Yahoo()) as local:
        yield local
