"""Accounts have the roles in the table of terraform/README.md, and no others."""

import re

from stock_platform_tests.support.terraform_code import BOOTSTRAP, ROOT, parse, resources

# How the README names members and places.
WORDING = {
    r"\$\{google_service_account\.(\w+)(\[0\])?\.member\}": r"`\1`",
    r"principalSet://.*/attribute\.repository/.*": "the repository's workflows",
    r"principalSet://.*/attribute\.ref/refs/heads/main": "its workflows of `main`",
    r"principalSet://.*/attribute\.environment/.*": "jobs of the GitHub environment",
    r"serviceAccount:\$\{each\.value\}": "Google's agents",
    r"\$\{each\.value(\.member)?\}": "operators",
    r'\$\{google_storage_bucket\.(?:main\["(\w+)"\]|(state))\.name\}': r"bucket `\1\2`",
    r"\$\{var\.project_id\}": "project",
    r"\$\{var\.backup(_|\.)project_id\}": "backup project",
    r"\$\{google_bigquery_dataset\.main\.dataset_id\}": "dataset `stock_platform`",
    r"\$\{google_bigquery_dataset\.backup\[0\]\.dataset_id\}": "dataset `stock_platform_backup`",
    r"\$\{google_service_account\.(\w+)\.name\}": r"account `\1`",
    r"\$\{each\.value\.id\}": "its secrets",
    r"\$\{var\.prefix\}-images|\$\{google_artifact_registry_repository\.images\.name\}": "images",
    r"\$\{var\.billing_account\}": "billing account",
    r"\$\{google_kms_crypto_key\.data\[0\]\.id\}": "the key",
    r"\$\{google_compute_instance\.orchestrator\.name\}": "the machine",
}
# The argument that names the place, and the role that may set the access of such a place.
PLACES = {
    "google_artifact_registry_repository_iam_member": ("repository", "artifactregistry.admin"),
    "google_bigquery_dataset_iam_member": ("dataset_id", "bigquery.admin"),
    "google_billing_account_iam_member": ("billing_account_id", None),
    "google_compute_instance_iam_member": ("instance_name", "compute.instanceAdmin.v1"),
    "google_iap_tunnel_instance_iam_member": ("instance", "iap.admin"),
    "google_kms_crypto_key_iam_member": ("crypto_key_id", "cloudkms.admin"),
    "google_project_iam_member": ("project", "resourcemanager.projectIamAdmin"),
    "google_secret_manager_secret_iam_member": ("secret_id", "secretmanager.admin"),
    "google_service_account_iam_member": ("service_account_id", "iam.serviceAccountAdmin"),
    "google_storage_bucket_iam_member": ("bucket", "storage.admin"),
}
GRANTS = {
    root: [grant for grant in resources(root) if grant.type.endswith("_iam_member")]
    for root in (ROOT, BOOTSTRAP)
}


def worded(text):
    (name,) = [
        re.sub(pattern, name, text)
        for pattern, name in WORDING.items()
        if re.fullmatch(pattern, text)
    ]
    return name.replace("ci_", "ci-")


def roles(grant):
    """The role, or the roles that `for_each` lists, as in `${toset(["a", "b"])}`."""
    role = grant.body["role"]
    names = re.findall(r'"([\w./]+)"', grant.body["for_each"]) if "each.value" in role else [role]
    return {name.removeprefix("roles/") for name in names}


def granted():
    return {
        (worded(grant.body["member"]), worded(grant.body[PLACES[grant.type][0]]), role)
        for grant in GRANTS[ROOT] + GRANTS[BOOTSTRAP]
        for role in roles(grant)
    }


def documented():
    section = (ROOT / "README.md").read_text().split("\n## Service accounts\n")[1].split("\n## ")[0]
    rows = [line.strip("|").split("|") for line in section.splitlines() if line.startswith("|")]
    account = ""
    for first, place, names in rows[2:]:
        account = first.strip() or account
        for role in re.findall(r"`([\w.]+)`", names):
            yield account, place.strip(), role


def test_roles_are_those_of_the_readme():
    rows = list(documented())
    assert len(rows) == len(set(rows))
    assert set(rows) == granted()


def test_every_account_is_in_the_readme():
    accounts = {
        f"`{resource.name.replace('_', '-')}`"
        for resource in resources(ROOT) + resources(BOOTSTRAP)
        if resource.type == "google_service_account"
    }
    assert accounts == {account for account, _, _ in documented() if account.startswith("`")}


def test_pipeline_grants_only_the_platforms_project_roles():
    (delegated,) = [block["delegated_roles"] for block in parse(BOOTSTRAP / "ci.tf")["locals"]]
    grants = [grant for grant in GRANTS[ROOT] if grant.type == "google_project_iam_member"]
    assert set(delegated) == {f"roles/{role}" for grant in grants for role in roles(grant)}


def test_pipeline_may_set_all_access_of_the_platform():
    required = {PLACES[grant.type][1] for grant in GRANTS[ROOT]}
    assert required <= {role for account, _, role in granted() if account == "`ci-apply`"}


def test_only_the_planner_has_a_basic_role():
    basic = {grant for grant in granted() if grant[2] in {"owner", "editor", "viewer"}}
    assert basic == {("`ci-plan`", "project", "viewer")}
