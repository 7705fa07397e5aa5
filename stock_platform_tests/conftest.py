"""What tests of several rooms share: a local Yahoo, and a platform in a temporary folder."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from stock_platform_tests.support.google import emulators
from stock_platform_tests.support.google.emulators import Google
from stock_platform_tests.support.local_yahoo import Yahoo, served
from stock_platform_tests.support.platform_fixture import Platform

# How long an example takes says how busy the machine is.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


@pytest.fixture
def platform(tmp_path: Path) -> Iterator[Platform]:
    with Platform(tmp_path) as it:
        yield it


@pytest.fixture(scope="session")
def google(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Google]:
    with (
        emulators.google(tmp_path_factory.mktemp("google")) as it,
        pytest.MonkeyPatch.context() as patch,
    ):
        for name, value in it.environment.items():
            patch.setenv(name, value)
        yield it


@pytest.fixture
def yahoo() -> Iterator[Yahoo]:
    with served(Yahoo()) as local:
        yield local
