"""Arguments that no plan shows, and rules for all resources of a kind."""

from stock_platform_tests.support.terraform_code import (
    BOOTSTRAP,
    ROOT,
    local,
    parse,
    resources,
    values,
)

RESOURCES = resources(ROOT) + resources(BOOTSTRAP)


def test_only_key_and_state_refuse_destruction():
    kept = {
        f"{resource.type}.{resource.name}"
        for resource in RESOURCES
        if True in values(resource.body, "prevent_destroy")
    }
    assert kept == {"google_storage_bucket.state", "google_kms_crypto_key.data"}


def test_machine_access_follows_replaced_machine():
    """The access is bound to Google's own ID, because `id` and `name` stay the same."""
    grants = [grant for grant in RESOURCES if grant.type.endswith("_instance_iam_member")]
    triggers = [list(values(grant.body, "replace_triggered_by")) for grant in grants]
    assert triggers == [[["${google_compute_instance.orchestrator.instance_id}"]]] * 2


def test_firewalls_are_those_of_the_security_test():
    firewalls = {(rule.type, rule.name) for rule in RESOURCES if "firewall" in rule.type}
    kind = "google_compute_firewall"
    assert firewalls == {(kind, "batches"), (kind, "iap_ssh")}


def test_providers_set_the_labels_of_costs():
    ((ours,), (bootstraps,)) = [
        [
            provider["google"]["default_labels"]
            for provider in parse(root / "versions.tf")["provider"]
        ]
        for root in (ROOT, BOOTSTRAP)
    ]
    assert ours == "${local.labels}"
    assert bootstraps["app"] == local("main.tf")["labels"]["app"]


def test_grants_are_additive_and_states_hold_no_secret():
    kinds = {resource.type for resource in RESOURCES}
    assert not {kind for kind in kinds if kind.endswith(("_iam_policy", "_iam_binding"))}
    assert kinds.isdisjoint(
        {"google_service_account_key", "google_secret_manager_secret_version", "google_sql_user"}
    )
