"""Every account has the roles that the README's table gives it, and no others."""

import re

from stock_platform_tests.support.terraform_code import (
    BOOTSTRAP,
    ROOT,
    listed,
    parsed,
    resources,
    table,
)

MEMBERS = {
    r"\$\{google_service_account\.(\w+)(\[0\])?\.member\}": r"`\1`",
    r"principalSet://.*/attribute\.repository/.*": "the repository's workflows",
    r"principalSet://.*/attribute\.ref/refs/heads/main": "its workflows of `main`",
    r"principalSet://.*/attribute\.environment/.*": "jobs of the GitHub environment",
    r"serviceAccount:\$\{each\.value\}": "Google's agents",
    r"\$\{each\.value(\.member)?\}": "operators",
}
PLACES = {
    "google_storage_bucket_iam_member": "bucket",
    "google_project_iam_member": "project",
    "google_bigquery_dataset_iam_member": "dataset_id",
    "google_service_account_iam_member": "service_account_id",
    "google_secret_manager_secret_iam_member": "secret_id",
    "google_artifact_registry_repository_iam_member": "repository",
    "google_billing_account_iam_member": "billing_account_id",
    "google_kms_crypto_key_iam_member": "crypto_key_id",
    "google_compute_instance_iam_member": "instance_name",
    "google_iap_tunnel_instance_iam_member": "instance",
}
NAMES = {
    r'\$\{google_storage_bucket\.main\["(\w+)"\]\.name\}': r"bucket `\1`",
    r"\$\{google_storage_bucket\.state\.name\}": "bucket `state`",
    r"\$\{var\.project_id\}": "project",
    r"\$\{var\.backup(_|\.)project_id\}": "backup project",
    r"\$\{google_bigquery_dataset\.main\.dataset_id\}": "dataset `stock_platform`",
    r"\$\{google_bigquery_dataset\.backup\[0\]\.dataset_id\}": "dataset `stock_platform_backup`",
    r"\$\{google_service_account\.(\w+)\.name\}": r"account `\1`",
    r"\$\{each\.value\.id\}": "its secrets",
    r"\$\{var\.prefix\}-images": "images",
    r"\$\{google_artifact_registry_repository\.images\.name\}": "images",
    r"\$\{var\.billing_account\}": "billing account",
    r"\$\{google_kms_crypto_key\.data\[0\]\.id\}": "the key",
    r"\$\{google_compute_instance\.orchestrator\.name\}": "the machine",
}
# Who may set the access of such a resource: an apply reads it each time, and sets it at first.
SETTERS = {
    "google_artifact_registry_repository_iam_member": "artifactregistry.admin",
    "google_bigquery_dataset_iam_member": "bigquery.admin",
    "google_compute_instance_iam_member": "compute.instanceAdmin.v1",
    "google_iap_tunnel_instance_iam_member": "iap.admin",
    "google_kms_crypto_key_iam_member": "cloudkms.admin",
    "google_project_iam_member": "resourcemanager.projectIamAdmin",
    "google_secret_manager_secret_iam_member": "secretmanager.admin",
    "google_service_account_iam_member": "iam.serviceAccountAdmin",
    "google_storage_bucket_iam_member": "storage.admin",
}
RESOURCES = resources(ROOT) + resources(BOOTSTRAP)
GRANTS = [it for it in RESOURCES if it.type.endswith("_iam_member")]


def said(patterns, text):
    (found,) = [re.sub(it, word, text) for it, word in patterns.items() if re.fullmatch(it, text)]
    return found.replace("ci_", "ci-")


def roles(grant):
    role = grant.body["role"]
    several = listed(grant.body["for_each"]) if role.startswith("${each.value") else [role]
    return [it.removeprefix("roles/") for it in several]


def granted():
    return {
        (said(MEMBERS, it.body["member"]), said(NAMES, it.body[PLACES[it.type]]), role)
        for it in GRANTS
        for role in roles(it)
    }


def documented():
    account = ""
    for first, where, names in table("Service accounts"):
        account = first or account
        for role in re.findall(r"`([\w.]+)`", names):
            yield account, where, role


def test_accounts_have_the_roles_of_the_readme_and_no_others():
    rows = list(documented())
    assert len(rows) == len(set(rows))
    assert set(rows) == granted()


def test_every_account_is_in_the_table():
    made = {
        f"`{it.name.replace('_', '-')}`" for it in RESOURCES if it.type == "google_service_account"
    }
    assert made == {account for account, _, _ in documented() if account.startswith("`")}
    assert made == {
        f"`{it}`"
        for it in (
            "ingest",
            "loader",
            "spark",
            "orchestrator",
            "backup",
            "ci-plan",
            "ci-push",
            "ci-apply",
        )
    }


def test_the_pipeline_may_grant_the_platforms_own_project_roles_and_no_others():
    (delegated,) = [it["delegated_roles"] for it in parsed(BOOTSTRAP / "ci.tf")["locals"]]
    ours = [it for it in resources(ROOT) if it.type == "google_project_iam_member"]
    assert set(delegated) == {f"roles/{role}" for it in ours for role in roles(it)}


def test_the_pipeline_may_set_the_access_that_the_platform_gives():
    given = {it.type for it in resources(ROOT) if it.type.endswith("_iam_member")}
    has = {role for account, _, role in granted() if account == "`ci-apply`"}
    assert {SETTERS[it] for it in given} - has == set()


def test_nobody_has_a_basic_role_but_the_one_who_plans():
    basic = {"owner", "editor", "viewer"}
    assert {it for it in granted() if it[2] in basic} == {("`ci-plan`", "project", "viewer")}


def test_no_grant_takes_away_others_and_no_secret_enters_a_state():
    types = {it.type for it in RESOURCES}
    assert not {it for it in types if it.endswith(("_iam_policy", "_iam_binding"))}
    assert "google_service_account_key" not in types
    assert "google_secret_manager_secret_version" not in types
    assert "google_sql_user" not in types
