"""Terraform's own tests, and the plan sizes in docs/deploy.md; nothing is applied.

`terraform/check.sh` downloads the provider. Plans need either credentials or TERRAFORM_OFFLINE, a
tool with the provider's schemas, so they are skipped without that tool.
"""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from stock_platform_tests.support.terraform_code import BOOTSTRAP, ROOT

TOOL = Path(
    os.environ.get(
        "TERRAFORM_OFFLINE", ROOT / "../../shared/tools/terraform-offline/terraform-offline"
    )
)
IMAGE = f"europe-west1-docker.pkg.dev/p/r/stock_platform@sha256:{'0' * 64}"

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(not shutil.which("terraform"), reason="needs terraform on the PATH"),
    pytest.mark.skipif(not TOOL.exists(), reason="needs TERRAFORM_OFFLINE; `make infra` does not"),
]


def run(*arguments):
    done = subprocess.run(arguments, capture_output=True, text=True, check=False)  # noqa: S603
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_both_roots_pass_their_tests():
    assert run(ROOT / "check.sh").count(" passed, 0 failed") == 6


@pytest.mark.parametrize("root", [ROOT, BOOTSTRAP], ids=["root", "bootstrap"])
def test_deployment_page_has_the_plan_size(root):
    variables = ["-var-file", root / "environments" / "staging.tfvars"]
    image = ["-var", f"image={IMAGE}"] if root == ROOT else []
    planned = run(TOOL, "plan", root, *variables, *image)
    (size,) = re.findall(r"Plan: \d+ to add, 0 to change, 0 to destroy", planned)
    assert size in (ROOT.parent / "docs" / "deploy.md").read_text()
