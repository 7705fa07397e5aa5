"""A compose file, and its services as containers of the image."""

import re
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

import yaml
from dotenv import dotenv_values

from stock_platform_tests.support.containers.container import Container, Mount
from stock_platform_tests.support.containers.image import Image

TIMEOUT_S = 180
_VARIABLE = re.compile(r"\$(?:\$|\{(\w+)(:\?|-)?[^}]*\})")


def load(file: Path, variables: Mapping[str, str]) -> dict[str, Any]:
    """Read a compose file and insert variables; a missing required one raises KeyError."""

    def value(found: re.Match[str]) -> str:
        name, rule = found.groups()
        if name is None:
            return "$"
        if rule == ":?" and not variables.get(name):
            raise KeyError(name)
        return variables.get(name, "")

    def fill(node: Any) -> Any:
        if isinstance(node, dict):
            return {key: fill(child) for key, child in node.items()}
        if isinstance(node, list):
            return [fill(child) for child in node]
        return _VARIABLE.sub(value, node) if isinstance(node, str) else node

    content: dict[str, Any] = fill(yaml.safe_load(file.read_text()))
    return content


@dataclass
class Project:
    """The services of a compose file that use the platform's image.

    Attributes:
        machine: the root filesystem of the machine that has the secrets.
        words: replacements in all commands, such as ports.
        environment: additional variables of every service.
        files: replacements of mounted files, by their path in the container.
    """

    file: Path
    content: dict[str, Any]
    image: Image
    folder: Path
    words: Mapping[str, str]
    environment: Mapping[str, str]
    files: Mapping[str, Path]
    machine: Path = Path("/")
    running: dict[str, Container] = field(default_factory=dict)

    @contextmanager
    def up(self) -> Iterator["Project"]:
        """Start all services in the order of their dependencies; in the block all are healthy."""
        try:
            for name in self._order():
                self.start(name)
                self.wait(name)
            yield self
        finally:
            for container in self.running.values():
                container.kill()
            for name in self.running:
                output = f"{self.output(name)[-6000:]}\n{self.errors(name)[-6000:]}"
                print(f"--- {name}\n{output}")  # noqa: T201 - for failing tests

    def start(self, name: str) -> None:
        """Start a service."""
        service = self.content["services"][name]
        environment = self._set_in_files(service)
        environment |= {key: str(value) for key, value in service["environment"].items()}
        self.running[name] = Container(
            self.image,
            self._written(service.get("command") or self.image.command),
            environment | dict(self.environment),
            [*self._mounts(service), *self._secrets(service)],
            self._log(name),
        )

    def wait(self, name: str) -> None:
        """Wait until the service's health check succeeds, or until a service without one ends."""
        container, check = self.running[name], self.content["services"][name].get("healthcheck")
        if check == {"disable": True}:
            assert container.process.wait(TIMEOUT_S) == 0, self.errors(name)
            return
        command = self._written(check["test"][1:] if check else self.image.health)
        deadline = time.monotonic() + TIMEOUT_S
        while (check_run := container.execute(command)).returncode:
            assert container.process.poll() is None, f"{name} ended: {self.errors(name)}"
            assert time.monotonic() < deadline, f"{name} {check_run}: {self.errors(name)}"
            time.sleep(1)

    def output(self, name: str) -> str:
        """Return the standard output of a service."""
        return self._log(name).read_text(errors="replace")

    def errors(self, name: str) -> str:
        """Return the standard error of a service."""
        return self._log(name).with_suffix(".err").read_text(errors="replace")

    def _order(self) -> list[str]:
        services = self.content["services"]
        ours = {name for name in services if services[name]["image"] == self._image_name()}
        needs = {name: set(services[name].get("depends_on", {})) & ours for name in ours}
        return list(TopologicalSorter(needs).static_order())

    def _image_name(self) -> str:
        name: str = self.content["x-container"]["image"]
        return name

    def _written(self, command: Sequence[str]) -> list[str]:
        pattern = re.compile("|".join(map(re.escape, self.words)))
        return [pattern.sub(lambda match: self.words[match[0]], word) for word in command]

    def _set_in_files(self, service: dict[str, Any]) -> dict[str, str]:
        files = [self.file.parent / name for name in service.get("env_file", [])]
        return {key: value or "" for file in files for key, value in dotenv_values(file).items()}

    def _mounts(self, service: dict[str, Any]) -> list[Mount]:
        mounts = [Mount(source, target) for target, source in self.files.items()]
        for entry in service["volumes"]:
            name, target, *options = entry.split(":")
            if target in self.files:
                continue
            source = self.file.parent / name if name.startswith(".") else self.folder / name
            if name in (self.content.get("volumes") or {}):
                source.mkdir(exist_ok=True)
            mounts.append(Mount(source.resolve(), target, read_only=options == ["ro"]))
        return mounts

    def _secrets(self, service: dict[str, Any]) -> list[Mount]:
        return [
            Mount(self.machine / self.content["secrets"][name]["file"][1:], f"/run/secrets/{name}")
            for name in service.get("secrets", [])
        ]

    def _log(self, name: str) -> Path:
        return self.folder / f"{name}.log"
