"""Agreements between the files of a deployment that no linter knows."""

import re
from importlib import import_module

import pytest
import yaml

from stock_platform_tests.support import ROOT

INSTANCES = ("dagster.yaml", "deploy/local/dagster.yaml", "deploy/gcp/dagster.yaml")
# Sections that may differ between instances.
OWN = {"storage", "compute_logs", "python_logs"}
SHA = re.compile(r"[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+")


def instance(path):
    return yaml.safe_load((ROOT / path).read_text())


@pytest.mark.parametrize("path", INSTANCES[1:])
def test_instance_has_the_behaviour_of_a_laptops(path):
    laptop, other = instance(INSTANCES[0]), instance(path)
    same = laptop.keys() - OWN - {"concurrency", "run_monitoring"}
    assert {key: other[key] for key in same} == {key: laptop[key] for key in same}
    assert other["concurrency"]["pools"] == laptop["concurrency"]["pools"]
    assert laptop["run_monitoring"].items() <= other["run_monitoring"].items()


@pytest.mark.parametrize("path", INSTANCES)
def test_classes_of_instance_exist(path):
    sections = [part for part in instance(path).values() if isinstance(part, dict)]
    named = {(part["module"], part["class"]) for part in sections if "class" in part}
    ours = [(module, name) for module, name in named if module.startswith("stock_platform.")]
    assert ours
    assert all(hasattr(import_module(module), name) for module, name in ours)


def test_containers_differ_from_production_in_storage_and_logs():
    local, production = map(instance, INSTANCES[1:])
    differing = {key for key in local | production if local.get(key) != production.get(key)}
    assert differing <= OWN | {"concurrency", "run_monitoring"}


def test_startup_script_writes_every_compose_variable():
    named = set(re.findall(r"\$\{(\w+)", (ROOT / "deploy/gcp/compose.yaml").read_text()))
    script = (ROOT / "deploy/gcp/startup.sh.tftpl").read_text()
    measured = set(re.findall(r'print "([A-Z_]+)="', script))
    assert named == measured | set(re.findall(r"^([A-Z_]+)=\$\{\w+\}$", script, re.MULTILINE))


def test_every_action_is_pinned_to_one_commit():
    used = set()
    for path in (ROOT / ".github/workflows").glob("*.yml"):
        uses = re.findall(r"^[ -]+uses: (?!\./)(.+)", path.read_text(), re.MULTILINE)
        assert all(SHA.fullmatch(action) for action in uses), path
        used.update(uses)
    assert len({action.partition("@")[0] for action in used}) == len(used)


@pytest.mark.parametrize("path", ["Dockerfile", "docker-compose.yml", "deploy/gcp/compose.yaml"])
def test_every_image_is_pinned_by_digest(path):
    text = (ROOT / path).read_text()
    stages = re.findall(r"^FROM \S+ AS (\w+)$", text, re.MULTILINE)
    images = set(re.findall(r"^(?:FROM| *image:) (\S+)", text, re.MULTILINE))
    own = {"stock_platform:local", "${IMAGE:?a", *stages}
    assert images - own or path.startswith("deploy")
    assert all(re.search(r"@sha256:[0-9a-f]{64}$", name) for name in images - own)


def test_one_service_builds_the_shared_image():
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    ours = {
        name for name, service in services.items() if service["image"] == "stock_platform:local"
    }
    policies = {name: services[name]["pull_policy"] for name in ours}
    assert {name for name in ours if "build" in services[name]} == {"code"}
    assert policies == {**dict.fromkeys(ours, "never"), "code": "build"}


def test_secrets_are_files_and_not_variables():
    content = yaml.safe_load((ROOT / "deploy/gcp/compose.yaml").read_text())
    for service in content["services"].values():
        assert not content["secrets"].keys() & service["environment"].keys()
    assert all(secret["file"].startswith("/run/") for secret in content["secrets"].values())
