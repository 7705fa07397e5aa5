"""A container: a process in the read-only root of an image, as the image's user."""

import os
import shlex
import shutil
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from stock_platform_tests.support.containers.image import Image


@dataclass(frozen=True)
class Mount:
    """A file or folder of the host in the container."""

    source: Path
    target: str
    read_only: bool = True


class Container:
    """A container that runs until it is killed, with all its processes."""

    def __init__(
        self,
        image: Image,
        command: Sequence[str],
        environment: Mapping[str, str],
        mounts: Sequence[Mount],
        log: Path,
    ) -> None:
        self._image = image
        self._environment = image.environment | dict(environment)
        for mount in mounts:
            _place(image, mount)
        inside = ["chroot", str(image.root), *self._as_user(*image.entrypoint, *command)]
        # Separate files as in Docker, so that lines of the streams do not mix.
        with log.open("ab") as out, log.with_suffix(".err").open("ab") as err:
            self.process = subprocess.Popen(  # noqa: S603
                ["unshare", "--mount", "sh", "-ec",  # noqa: S607
                 "\n".join([*_filesystem(image.root, mounts), shlex.join(["exec", *inside])])],
                stdout=out,
                stderr=err,
                start_new_session=True,
            )  # fmt: skip

    def execute(self, command: Sequence[str]) -> subprocess.CompletedProcess[str]:
        """Run a command in the container without the entrypoint, like a health check."""
        enter = ["nsenter", f"--target={self.process.pid}", "--mount", "--root"]
        return subprocess.run(  # noqa: S603
            [*enter, *self._as_user(*command)], capture_output=True, text=True, check=False
        )

    def kill(self) -> None:
        """Kill all processes of the container."""
        with suppress(ProcessLookupError):  # already ended
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def _as_user(self, *command: str) -> list[str]:
        user, _, group = self._image.user.partition(":")
        variables = [f"{name}={value}" for name, value in self._environment.items()]
        return [
            # Default signals as in Docker, even if the tests' shell ignores some.
            *("env", "--default-signal", "-i", "-C", self._image.folder, *variables),
            *("setpriv", f"--reuid={user}"),
            *(f"--regid={group}", "--clear-groups", "--no-new-privs", "--bounding-set=-all"),
            *command,
        ]


def _place(image: Image, mount: Mount) -> None:
    """Create the mount point as Docker does; a new volume gets its owner from the image."""
    target = image.root / mount.target[1:]
    if mount.source.is_file():
        target.parent.mkdir(parents=True, exist_ok=True)
        target.touch()
        return
    target.mkdir(parents=True, exist_ok=True)
    if not mount.read_only and not any(mount.source.iterdir()):
        shutil.chown(mount.source, target.stat().st_uid, target.stat().st_gid)


def _filesystem(root: Path, mounts: Sequence[Mount]) -> list[str]:
    lines = [f"mount --bind {root} {root}", f"mount -o remount,bind,ro {root}"]
    for mount in mounts:
        to = f"{root}{mount.target}"
        lines.append(f"mount --bind {mount.source} {to}")
        if mount.read_only:
            lines.append(f"mount -o remount,bind,ro {to}")
    return [
        *lines,
        f"mount --rbind /dev {root}/dev",
        f"mount --bind /proc {root}/proc",
        f"mount -t tmpfs -o mode=1777 tmpfs {root}/tmp",  # noqa: S108 - in the container
    ]
