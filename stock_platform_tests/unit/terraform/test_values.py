"""Values that validation cannot see: only the provider's code or Google's API judge them."""

import re

import pytest

from stock_platform_tests.support.terraform_code import (
    BOOTSTRAP,
    ENVIRONMENTS,
    ROOT,
    parsed,
    resources,
    values,
)

RESOURCES = resources(ROOT) + resources(BOOTSTRAP)
ENUMS = {
    ("google_artifact_registry_repository", "action"): {"DELETE", "KEEP"},
    ("google_artifact_registry_repository", "format"): {"DOCKER"},
    ("google_billing_budget", "calendar_period"): {"MONTH", "QUARTER", "YEAR"},
    ("google_billing_budget", "credit_types_treatment"): {
        "INCLUDE_ALL_CREDITS",
        "EXCLUDE_ALL_CREDITS",
        "INCLUDE_SPECIFIED_CREDITS",
    },
    ("google_billing_budget", "spend_basis"): {"CURRENT_SPEND", "FORECASTED_SPEND"},
    ("google_compute_firewall", "metadata"): {"EXCLUDE_ALL_METADATA", "INCLUDE_ALL_METADATA"},
    ("google_compute_global_address", "address_type"): {"INTERNAL", "EXTERNAL"},
    ("google_compute_global_address", "purpose"): {"VPC_PEERING", "PRIVATE_SERVICE_CONNECT"},
    ("google_compute_router_nat", "filter"): {"ERRORS_ONLY", "TRANSLATIONS_ONLY", "ALL"},
    ("google_compute_router_nat", "nat_ip_allocate_option"): {"AUTO_ONLY", "MANUAL_ONLY"},
    ("google_compute_subnetwork", "aggregation_interval"): {
        "INTERVAL_5_SEC",
        "INTERVAL_30_SEC",
        "INTERVAL_1_MIN",
        "INTERVAL_5_MIN",
        "INTERVAL_10_MIN",
        "INTERVAL_15_MIN",
    },
    ("google_logging_metric", "metric_kind"): {"DELTA", "GAUGE", "CUMULATIVE"},
    ("google_monitoring_alert_policy", "combiner"): {"AND", "OR", "AND_WITH_MATCHING_RESOURCE"},
    ("google_monitoring_notification_channel", "type"): {"email"},
    ("google_project_iam_audit_config", "log_type"): {"ADMIN_READ", "DATA_READ", "DATA_WRITE"},
    ("google_sql_database_instance", "disk_type"): {"PD_SSD", "PD_HDD"},
    ("google_sql_database_instance", "edition"): {"ENTERPRISE", "ENTERPRISE_PLUS"},
    ("google_sql_database_instance", "ssl_mode"): {
        "ALLOW_UNENCRYPTED_AND_ENCRYPTED",
        "ENCRYPTED_ONLY",
        "TRUSTED_CLIENT_CERTIFICATE_REQUIRED",
    },
    ("google_sql_database_instance", "update_track"): {"canary", "stable", "week5"},
    ("google_storage_bucket", "public_access_prevention"): {"enforced", "inherited"},
}
DURATIONS = ("auto_close", "evaluation_interval", "older_than", "rotation_period")
REGION = re.compile(r"[a-z]+-[a-z]+\d+")


@pytest.mark.parametrize("where", ENUMS, ids=".".join)
def test_a_choice_is_one_that_the_api_knows(where):
    kind, name = where
    found = [value for it in RESOURCES if it.type == kind for value in values(it.body, name)]
    assert found
    assert set(found) <= ENUMS[where]


@pytest.mark.parametrize("name", DURATIONS)
def test_a_duration_is_in_seconds(name):
    found = [value for it in RESOURCES for value in values(it.body, name)]
    assert found
    assert all(re.fullmatch(r"\d+s", value) for value in found)


def of(environment, folder=ROOT):
    return parsed(folder / "environments" / f"{environment}.tfvars")


@pytest.mark.parametrize("environment", ENVIRONMENTS)
class TestEnvironment:
    def test_its_state_lies_in_the_bucket_that_bootstrap_makes(self, environment):
        backend = parsed(ROOT / "environments" / f"{environment}.gcs.tfbackend")
        assert backend["bucket"] == f"{of(environment)['prefix']}-state"

    def test_bootstrap_names_the_same_things(self, environment):
        ours, its = of(environment), of(environment, BOOTSTRAP)
        for name in ("prefix", "project_id", "region"):
            assert its[name] == ours[name]
        assert its["billing_account"] == ours["budget"]["billing_account"]
        elsewhere = {ours.get("backup", {}).get("project_id")} - {ours["project_id"], None}
        assert {its.get("backup_project_id")} - {None} == elsewhere

    def test_its_names_are_its_own(self, environment):
        ours = of(environment)
        assert ours["environment"] == environment
        for other in set(ENVIRONMENTS) - {environment}:
            assert ours["prefix"] != of(other)["prefix"]
            assert ours["project_id"] != of(other)["project_id"]

    def test_its_values_are_such_as_google_knows(self, environment):
        ours = of(environment)
        assert REGION.fullmatch(ours["region"])
        assert re.fullmatch(r"[0-9A-F]{6}(-[0-9A-F]{6}){2}", ours["budget"]["billing_account"])
        tier = ours.get("database", {}).get("tier", "db-f1-micro")
        assert re.fullmatch(r"db-(f1-micro|g1-small|custom-\d+-\d+)", tier)
        two = ours.get("dual_region")
        if two:
            assert two["location"] in {"EU", "US", "ASIA"}
            assert len(set(two["regions"])) == 2
            assert all(REGION.fullmatch(it.lower()) for it in two["regions"])


def test_production_is_approved_in_an_environment_of_its_name():
    assert of("prod", BOOTSTRAP)["github"]["environment"] == "production"
