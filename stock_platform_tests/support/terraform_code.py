"""Terraform's files as Python data: blocks and arguments, without evaluation."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import hcl2

ROOT = Path(__file__).resolve().parents[2] / "terraform"
BOOTSTRAP = ROOT / "bootstrap"

_OPTIONS = hcl2.SerializationOptions(
    with_comments=False, explicit_blocks=False, preserve_heredocs=False, strip_string_quotes=True
)


@dataclass(frozen=True)
class Resource:
    """One `resource` block."""

    type: str
    name: str
    body: dict[str, Any]


def parse(file: Path) -> dict[str, Any]:
    """The blocks and arguments of a file; expressions stay text in `${}`."""
    with file.open() as text:
        return hcl2.load(text, serialization_options=_OPTIONS)


def resources(folder: Path) -> list[Resource]:
    """All resources in the files of a root, without its modules."""
    return [
        Resource(kind, name, body)
        for file in sorted(folder.glob("*.tf"))
        for block in parse(file).get("resource", [])
        for kind, named in block.items()
        for name, body in named.items()
    ]


def local(file: str) -> dict[str, Any]:
    """The locals of a file of the platform's root."""
    blocks = parse(ROOT / file).get("locals", [])
    return {name: value for block in blocks for name, value in block.items()}


def values(body: object, name: str) -> Iterator[Any]:
    """All values of an argument, at any depth."""
    if isinstance(body, dict):
        for key, value in body.items():
            if key == name:
                yield value
            yield from values(value, name)
    elif isinstance(body, list):
        for item in body:
            yield from values(item, name)
