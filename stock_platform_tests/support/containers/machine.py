"""Start of the production machine: its startup script in a clean root filesystem.

`docker`, `gcloud`, `curl`, `snap` and `systemctl` are replaced by scripts that record their calls;
gcloud returns the secrets.
"""

import re
import shlex
import subprocess
from collections.abc import Mapping
from pathlib import Path

from stock_platform_tests.support import ROOT

DEPLOY = ROOT / "deploy/gcp"
_PROGRAMS = ("docker", "gcloud", "curl", "snap", "systemctl")
_RECORDER = r"""#!/bin/sh
echo "$(basename "$0") $*" >> /calls
case "$(basename "$0") $*" in
    *access*--secret=*) cat "/answers/${*##*--secret=}" ;;
    *print-access-token) echo token ;;
    *--password-stdin*) cat >> /stdin ;;
    curl*) echo 'mkdir -p /opt/google-cloud-ops-agent' > /run/add-ops-agent.sh ;;
esac
"""


def script(names: Mapping[str, str]) -> str:
    """Render the script as Terraform's `templatefile` does."""
    files = {"compose": "compose.yaml", "dagster_yaml": "dagster.yaml"}
    values = {key: (DEPLOY / file).read_text() for key, file in files.items()} | dict(names)
    template = (DEPLOY / "startup.sh.tftpl").read_text()
    assert "%{" not in template
    return re.sub(r"\$\{(\w+)\}", lambda match: values[match[1]], template)


def start(root: Path, names: Mapping[str, str], secrets: Mapping[str, str]) -> list[str]:
    """Run the script in the machine's root and return the recorded calls."""
    (root / "calls").write_text("")
    for program in _PROGRAMS:
        path = root / "usr/local/bin" / program
        path.write_text(_RECORDER)
        path.chmod(0o755)
    (root / "answers").mkdir(exist_ok=True)
    for name, content in secrets.items():
        (root / "answers" / name).write_text(content)
    (root / "startup.sh").write_text(script(names))
    mounts = [f"mount --bind /{name} {root}/{name}" for name in ("dev", "proc")]
    run = shlex.join(["exec", "chroot", str(root), "bash", "/startup.sh"])
    subprocess.run(["unshare", "--mount", "sh", "-ec", "\n".join([*mounts, run])], check=True)  # noqa: S603, S607
    return (root / "calls").read_text().splitlines()
