"""Terraform's files as data: what stands there, without what it would come to."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import hcl2

ROOT = Path(__file__).resolve().parents[2] / "terraform"
BOOTSTRAP = ROOT / "bootstrap"
ENVIRONMENTS = ("dev", "staging", "prod")

_PLAIN = hcl2.SerializationOptions(
    with_comments=False, explicit_blocks=False, preserve_heredocs=False, strip_string_quotes=True
)


@dataclass(frozen=True)
class Resource:
    """One `resource` block."""

    type: str
    name: str
    body: dict[str, Any]


def parsed(file: Path) -> dict[str, Any]:
    """A file's blocks and arguments; expressions stay text in `${}`."""
    with file.open() as text:
        return hcl2.load(text, serialization_options=_PLAIN)


def resources(folder: Path) -> list[Resource]:
    """All resources of a root's own files."""
    return [
        Resource(kind, name, body)
        for file in sorted(folder.glob("*.tf"))
        for block in parsed(file).get("resource", [])
        for kind, named in block.items()
        for name, body in named.items()
    ]


def local(file: str) -> dict[str, Any]:
    """The locals of one of the root's files."""
    return {
        name: value
        for block in parsed(ROOT / file).get("locals", [])
        for name, value in block.items()
    }


def listed(expression: str) -> list[str]:
    """The texts of the list that stands in an expression, like `${toset(["a", "b"])}`."""
    (found,) = re.findall(r'\["[^\]]*"\]', expression)
    return json.loads(found)


def values(body: object, name: str) -> Iterator[Any]:
    """Every value of an argument of that name, at any depth."""
    if isinstance(body, dict):
        for key, value in body.items():
            if key == name:
                yield value
            yield from values(value, name)
    elif isinstance(body, list):
        for item in body:
            yield from values(item, name)


def table(heading: str) -> list[list[str]]:
    """The cells of the README's table under a heading, row by row, without its head."""
    section = (ROOT / "README.md").read_text().split(f"\n## {heading}\n")[1].split("\n## ")[0]
    rows = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in rows[2:]]
