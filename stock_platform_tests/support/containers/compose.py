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

PATIENCE_S = 180
_VARIABLE = re.compile(r"\$(?:\$|\{(\w+)(:\?|-)?[^}]*\})")


def load(file: Path, variables: Mapping[str, str]) -> dict[str, Any]:
    """A compose file with its variables in place; one that must be there, and is not, is told."""

    def value(found: re.Match[str]) -> str:
        name, rule = found.groups()
        if name is None:
            return "$"
        if rule == ":?" and not variables.get(name):
            raise KeyError(name)
        return variables.get(name, "")

    def fill(node: Any) -> Any:
        if isinstance(node, dict):
            return {key: fill(it) for key, it in node.items()}
        if isinstance(node, list):
            return [fill(it) for it in node]
        return _VARIABLE.sub(value, node) if isinstance(node, str) else node

    content: dict[str, Any] = fill(yaml.safe_load(file.read_text()))
    return content


@dataclass
class Project:
    """The services of a file that are containers of the platform's image.

    Attributes:
        machine: the root filesystem of the machine that has the secrets.
        words: what is written otherwise here, in every word of every command: ports.
        environment: what the machine adds to every service.
        files: by the target of a mount, another source than the file's.
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
        """Start every service when those that it depends on are healthy; all are, in the block."""
        try:
            for name in self._order():
                self.start(name)
                self.wait(name)
            yield self
        finally:
            for container in self.running.values():
                container.kill()
            for name in self.running:
                said = f"{self.output(name)[-6000:]}\n{self.errors(name)[-6000:]}"
                print(f"--- {name}\n{said}")  # noqa: T201 - read when a test fails

    def start(self, name: str) -> None:
        """Start a service."""
        service = self.content["services"][name]
        environment = self._set_in_files(service)
        environment |= {key: str(it) for key, it in service["environment"].items()}
        self.running[name] = Container(
            self.image,
            self._written(service.get("command") or self.image.command),
            environment | dict(self.environment),
            [*self._mounts(service), *self._secrets(service)],
            self._log(name),
        )

    def wait(self, name: str) -> None:
        """Wait until a service's own health check succeeds, or until it is done."""
        container, check = self.running[name], self.content["services"][name].get("healthcheck")
        if check == {"disable": True}:
            assert container.process.wait(PATIENCE_S) == 0, self.errors(name)
            return
        command = self._written(check["test"][1:] if check else self.image.health)
        deadline = time.monotonic() + PATIENCE_S
        while (said := container.execute(command)).returncode:
            assert container.process.poll() is None, f"{name} ended: {self.errors(name)}"
            assert time.monotonic() < deadline, f"{name} {said}: {self.errors(name)}"
            time.sleep(1)

    def output(self, name: str) -> str:
        """What a service has written to its standard output."""
        return self._log(name).read_text(errors="replace")

    def errors(self, name: str) -> str:
        """What a service has written to its standard error."""
        return self._log(name).with_suffix(".err").read_text(errors="replace")

    def _order(self) -> list[str]:
        services = self.content["services"]
        ours = {name for name, it in services.items() if it["image"] == self._image_name()}
        needs = {name: set(services[name].get("depends_on", {})) & ours for name in ours}
        return list(TopologicalSorter(needs).static_order())

    def _image_name(self) -> str:
        name: str = self.content["x-container"]["image"]
        return name

    def _written(self, command: Sequence[str]) -> list[str]:
        pattern = re.compile("|".join(map(re.escape, self.words)))
        return [pattern.sub(lambda it: self.words[it[0]], word) for word in command]

    def _set_in_files(self, service: dict[str, Any]) -> dict[str, str]:
        files = [self.file.parent / it for it in service.get("env_file", [])]
        return {key: it or "" for file in files for key, it in dotenv_values(file).items()}

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
            Mount(self.machine / self.content["secrets"][it]["file"][1:], f"/run/secrets/{it}")
            for it in service.get("secrets", [])
        ]

    def _log(self, name: str) -> Path:
        return self.folder / f"{name}.log"
