"""Terraform's own tests, and the plan sizes in docs/deploy.md; nothing is applied.

Plans need either credentials or a tool with the provider's schemas. Without TERRAFORM_OFFLINE,
`terraform-offline` on the PATH or `../shared/tools`, the tests are skipped.
"""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from stock_platform_tests.support.terraform_code import BOOTSTRAP, ROOT

SHARED = Path(__file__).resolve().parents[3] / "shared" / "tools" / "terraform-offline"
TOOL = (
    os.environ.get("TERRAFORM_OFFLINE")
    or shutil.which("terraform-offline")
    or shutil.which(SHARED / "terraform-offline")
)
IMAGE = f"europe-west1-docker.pkg.dev/p/r/stock_platform@sha256:{'0' * 64}"

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(not shutil.which("terraform"), reason="needs terraform on the PATH"),
    pytest.mark.skipif(not TOOL, reason="needs TERRAFORM_OFFLINE; `make infra` does not"),
]


def run(*arguments):
    environment = os.environ | {"TERRAFORM_OFFLINE": TOOL}
    done = subprocess.run(  # noqa: S603 - terraform and its tool
        arguments, env=environment, capture_output=True, text=True, check=False
    )
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
