"""Build of the Dockerfile's steps in a clean root filesystem, without a container engine.

The base is Debian with Debian's Python 3.11, not the base image of the Dockerfile.
"""

import json
import os
import re
import shlex
import shutil
import subprocess
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from dockerfile_parse import DockerfileParser

from stock_platform_tests.support.apt import need

PACKAGES = "python3,python3-venv,ca-certificates,netbase,tzdata"
CERTIFICATES = "etc/ssl/certs/ca-certificates.crt"
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True)
class Image:
    """A build stage: its root filesystem, and the settings of its containers."""

    root: Path
    environment: dict[str, str] = field(default_factory=lambda: {"PATH": PATH})
    folder: str = "/"
    user: str = "0:0"
    entrypoint: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    health: tuple[str, ...] = ()


def build(context: Path, folder: Path, caches: Path) -> Image:
    """Run all steps of the Dockerfile and return the last stage."""
    stages: dict[str, Image] = {}
    with (context / "Dockerfile").open("rb") as file:
        steps = DockerfileParser(fileobj=file).structure
    visible = _allowed(context)
    image = Image(folder)
    for step in steps:
        match step["instruction"]:
            case "FROM":
                words = step["value"].split()
                name = words[2] if len(words) > 2 else "final"
                start = stages.get(words[0]) or Image(_clean(words[0], folder / "clean"))
                image = replace(start, root=folder / name)
                subprocess.run(["cp", "--archive", start.root, image.root], check=True)  # noqa: S603, S607
            case "RUN":
                _run(image, step["value"], caches)
            case "COPY":
                _copy(image, step["value"].split(), stages, visible)
            case "ENV":
                for word in shlex.split(step["value"]):
                    key, _, value = word.partition("=")
                    image.environment[key] = value.replace("$PATH", image.environment["PATH"])
            case other:
                image = replace(image, **_setting(other, step["value"]))
        if image.root.parent == folder:
            stages[image.root.name] = replace(image, environment=dict(image.environment))
            image = stages[image.root.name]
    return image


def _setting(instruction: str, value: str) -> dict[str, Any]:
    match instruction:
        case "WORKDIR":
            return {"folder": value}
        case "USER":
            return {"user": value}
        case "ENTRYPOINT" | "CMD":
            name = {"ENTRYPOINT": "entrypoint", "CMD": "command"}[instruction]
            return {name: tuple(json.loads(value))}
        case "HEALTHCHECK":
            return {"health": tuple(json.loads(value.partition(" CMD ")[2]))}
        case "COMMENT" | "LABEL" | "EXPOSE":
            return {}
    raise AssertionError(f"unsupported instruction: {instruction}")


def _clean(base: str, root: Path) -> Path:
    """Install the distribution and Python, with the host's DNS settings and certificates."""
    suite = re.fullmatch(r"python:3\.11\.\d+-slim-(\w+)@sha256:[0-9a-f]{64}", base)
    assert suite, base
    subprocess.run(  # noqa: S603
        [need("mmdebstrap", "mmdebstrap"), "--quiet", "--variant=apt", f"--include={PACKAGES}",
         suite[1], root],
        check=True,
    )  # fmt: skip
    for file in ("etc/resolv.conf", CERTIFICATES):
        shutil.copy(Path("/") / file, root / file)
    return root


def _run(image: Image, command: str, caches: Path) -> None:
    (image.root / image.folder[1:]).mkdir(parents=True, exist_ok=True)
    mounts = [f"mount --rbind /dev {image.root}/dev", f"mount --bind /proc {image.root}/proc"]
    while mount := re.match(r"--mount=type=cache,target=(\S+)\s+", command):
        command = command[mount.end() :]
        (image.root / mount[1][1:]).mkdir(parents=True, exist_ok=True)
        mounts.append(f"mount --bind {caches} {image.root}{mount[1]}")
    certificates = dict.fromkeys(("PIP_CERT", "SSL_CERT_FILE"), f"/{CERTIFICATES}")
    variables = [f"{name}={value}" for name, value in (image.environment | certificates).items()]
    inside = ["chroot", str(image.root), "env", "-i", "-C", image.folder, *variables]
    subprocess.run(  # noqa: S603
        ["unshare", "--mount", "sh", "-ec",  # noqa: S607
         "; ".join([*mounts, shlex.join(["exec", *inside, "sh", "-c", command])])],
        check=True,
    )  # fmt: skip


def _copy(image: Image, words: list[str], stages: dict[str, Image], visible: list[Path]) -> None:
    *sources, target = [word for word in words if not word.startswith("--")]
    stage = next(
        (word.removeprefix("--from=") for word in words if word.startswith("--from=")), None
    )
    to = image.root / os.path.join(image.folder, target)[1:]  # noqa: PTH118 - of the image
    for source in sources:
        if stage:
            found = stages[stage].root / source[1:]
        else:
            found = next(path for path in visible if path.as_posix().endswith(f"/{source}"))
        # As Docker: copy a folder's content, and a file under its name into a folder.
        inside = to / found.name if found.is_file() and target.endswith("/") else to
        inside.parent.mkdir(parents=True, exist_ok=True)
        if stage:  # hard links, because neither stage changes later
            subprocess.run(["cp", "--archive", "--link", found, inside], check=True)  # noqa: S603, S607
        elif found.is_file():
            shutil.copy2(found, inside)
        else:
            shutil.copytree(found, inside, ignore=shutil.ignore_patterns("__pycache__"))


def _allowed(context: Path) -> list[Path]:
    """Return the paths that .dockerignore allows; it excludes everything else."""
    lines = (context / ".dockerignore").read_text().split("\n")
    rules = [line for line in lines if line and not line.startswith("#")]
    assert (rules[0], rules[-1]) == ("*", "**/__pycache__"), rules
    return [context / rule.removeprefix("!") for rule in rules[1:-1]]
