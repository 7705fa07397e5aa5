"""Terraform's roots, by Terraform itself and the provider's schema: no network, no account.

The tool is no part of this repository: where a folder `../shared/tools` has it, this runs it.
`terraform/check.sh` does the same with the provider.
"""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from stock_platform_tests.support.terraform_code import BOOTSTRAP, ENVIRONMENTS, ROOT

TOOL = Path(__file__).resolve().parents[3] / "shared/tools/terraform-offline/terraform-offline"
IMAGE = f"europe-west1-docker.pkg.dev/p/r/stock_platform@sha256:{'0' * 64}"

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(not shutil.which("terraform"), reason="needs terraform on the PATH"),
    pytest.mark.skipif(not TOOL.exists(), reason="needs ../shared/tools/terraform-offline"),
]


def run(*arguments):
    command = [str(TOOL), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - the tool
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def of(folder, environment):
    return ["-var-file", folder / "environments" / f"{environment}.tfvars"]


def test_every_root_is_formatted_and_valid():
    run("fmt-check", ROOT)
    assert run("validate", ROOT, BOOTSTRAP).count("Success!") == 2


@pytest.mark.parametrize("environment", ENVIRONMENTS)
@pytest.mark.parametrize("folder", [ROOT, BOOTSTRAP], ids=["root", "bootstrap"])
def test_an_environment_passes_its_tests(folder, environment):
    (passed,) = re.findall(
        r"Success! (\d+) passed, 0 failed", run("test", folder, *of(folder, environment))
    )
    tests = [it.read_text() for it in (folder / "tests").glob("*.tftest.hcl")]
    assert int(passed) == sum(len(re.findall("^run ", it, re.MULTILINE)) for it in tests)


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_an_environment_can_be_planned_from_nothing(environment):
    assert re.search(
        r"Plan: \d+ to add, 0 to change, 0 to destroy",
        run("plan", ROOT, *of(ROOT, environment), "-var", f"image={IMAGE}"),
    )


def test_the_deployments_page_tells_the_plans_size():
    page = (ROOT.parent / "docs" / "deploy.md").read_text()
    platform = run("plan", ROOT, *of(ROOT, "staging"), "-var", f"image={IMAGE}")
    bootstrap = run("plan", BOOTSTRAP, *of(BOOTSTRAP, "staging"))
    for planned in (platform, bootstrap):
        (size,) = re.findall(r"Plan: \d+ to add, 0 to change, 0 to destroy", planned)
        assert size in page
