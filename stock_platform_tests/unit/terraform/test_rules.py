"""Rules for all resources of a kind, the next one too, and for what no plan shows."""

import re
from ipaddress import ip_network

import pytest

from stock_platform_tests.support.terraform_code import (
    BOOTSTRAP,
    ROOT,
    local,
    parsed,
    resources,
    values,
)

RESOURCES = resources(ROOT) + resources(BOOTSTRAP)
FIREWALLS = [it for it in RESOURCES if it.type == "google_compute_firewall"]
IAP = "35.235.240.0/20"
MACHINE = "google_compute_instance.orchestrator"


def sources(firewall):
    """Its ranges, with the network's locals in their place."""
    known = local("network.tf")
    named = [re.fullmatch(r"\$\{local\.(\w+)\}", it) or it for it in firewall["source_ranges"]]
    return [it if isinstance(it, str) else known[it[1]] for it in named]


@pytest.mark.parametrize("firewall", FIREWALLS, ids=lambda it: it.name)
def test_a_firewall_lets_in_private_addresses_and_identity_aware_proxy_alone(firewall):
    found = sources(firewall.body)
    assert found
    assert all(it == IAP or ip_network(it).is_private for it in found)


def test_what_is_let_in_is_told_by_such_firewalls_alone():
    assert {it.type for it in RESOURCES if "firewall" in it.type} == {"google_compute_firewall"}


def test_what_could_not_be_made_again_may_not_be_destroyed():
    kept = {
        f"{it.type}.{it.name}" for it in RESOURCES if True in values(it.body, "prevent_destroy")
    }
    assert kept == {"google_storage_bucket.state", "google_kms_crypto_key.data"}


def test_access_to_a_machine_is_given_again_when_it_is_replaced():
    """By the ID that Google gives each machine: `id` and `name` stay the same."""
    given = [it for it in RESOURCES if it.type.endswith("_instance_iam_member")]
    assert len(given) == 2
    for it in given:
        assert list(values(it.body, "replace_triggered_by")) == [[f"${{{MACHINE}.instance_id}}"]]


def test_who_writes_the_lake_and_who_reads_secrets_is_logged_without_exemptions():
    audited = {
        it.body["service"]: it.body["audit_log_config"]
        for it in RESOURCES
        if it.type == "google_project_iam_audit_config"
    }
    assert audited == {
        "storage.googleapis.com": [{"log_type": "DATA_WRITE"}],
        "secretmanager.googleapis.com": [{"log_type": "DATA_READ"}],
    }


def test_everything_that_takes_labels_has_those_that_costs_are_told_by():
    ((ours,), (its,)) = [
        [it["google"]["default_labels"] for it in parsed(folder / "versions.tf")["provider"]]
        for folder in (ROOT, BOOTSTRAP)
    ]
    assert ours == "${local.labels}"
    assert its["app"] == local("main.tf")["labels"]["app"]
