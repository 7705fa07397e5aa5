# GitHub Actions, through workload identity federation without keys. Any workflow of the repository
# may plan, workflows of main may push images, and only jobs in the GitHub environment may apply.

locals {
  # The project roles that the platform's root grants. The pipeline can grant only these, so it
  # cannot create an owner.
  delegated_roles = [
    "roles/bigquery.jobUser",
    "roles/bigquery.readSessionUser",
    "roles/cloudsql.viewer",
    "roles/compute.viewer",
    "roles/dataproc.editor",
    "roles/dataproc.viewer",
    "roles/dataproc.worker",
    "roles/logging.logWriter",
    "roles/logging.viewer",
    "roles/monitoring.metricWriter",
    "roles/monitoring.viewer",
  ]
}

resource "google_iam_workload_identity_pool" "github" {
  workload_identity_pool_id = "${var.prefix}-github"
  display_name              = "GitHub Actions"

  depends_on = [google_project_service.main]
}

resource "google_iam_workload_identity_pool_provider" "github" {
  # checkov:skip=CKV_GCP_125: The check wants one subject; here each account is bound to its own, below.
  workload_identity_pool_id          = google_iam_workload_identity_pool.github.workload_identity_pool_id
  workload_identity_pool_provider_id = "github"
  display_name                       = "GitHub Actions"

  # All of GitHub shares one issuer: without a condition, workflows of any repository are admitted.
  attribute_condition = join(" && ", [
    "assertion.repository_owner_id == '${var.github.owner_id}'",
    "assertion.repository == '${var.github.repository}'",
  ])
  attribute_mapping = {
    "attribute.environment" = "has(assertion.environment) ? assertion.environment : ''"
    "attribute.ref"         = "assertion.ref"
    "attribute.repository"  = "assertion.repository"
    "google.subject"        = "assertion.sub"
  }

  oidc {
    issuer_uri = "https://token.actions.githubusercontent.com"
  }
}

resource "google_service_account" "ci_plan" {
  account_id   = "${var.prefix}-ci-plan"
  display_name = "Plans, for pull requests"

  depends_on = [google_project_service.main]
}

resource "google_service_account_iam_member" "ci_plan" {
  service_account_id = google_service_account.ci_plan.name
  role               = "roles/iam.workloadIdentityUser"
  member             = "principalSet://iam.googleapis.com/${google_iam_workload_identity_pool.github.name}/attribute.repository/${var.github.repository}"
}

resource "google_project_iam_member" "ci_plan" {
  # checkov:skip=CKV_GCP_117: A plan reads every kind of resource; viewer changes none.
  for_each = toset(["roles/iam.securityReviewer", "roles/viewer"])
  project  = var.project_id
  role     = each.value
  member   = google_service_account.ci_plan.member
}

resource "google_project_iam_member" "ci_plan_backup" {
  count   = var.backup_project_id == null ? 0 : 1
  project = var.backup_project_id
  role    = "roles/bigquery.metadataViewer"
  member  = google_service_account.ci_plan.member
}

resource "google_billing_account_iam_member" "ci_plan" {
  billing_account_id = var.billing_account
  role               = "roles/billing.viewer"
  member             = google_service_account.ci_plan.member
}

# The build runs third-party actions, which must not get the account that applies.
resource "google_service_account" "ci_push" {
  account_id   = "${var.prefix}-ci-push"
  display_name = "Pushes images, of main"

  depends_on = [google_project_service.main]
}

resource "google_service_account_iam_member" "ci_push" {
  service_account_id = google_service_account.ci_push.name
  role               = "roles/iam.workloadIdentityUser"
  member             = "principalSet://iam.googleapis.com/${google_iam_workload_identity_pool.github.name}/attribute.ref/refs/heads/main"
}

resource "google_service_account" "ci_apply" {
  account_id   = "${var.prefix}-ci-apply"
  display_name = "Applies, after approval"

  depends_on = [google_project_service.main]
}

resource "google_service_account_iam_member" "ci_apply" {
  service_account_id = google_service_account.ci_apply.name
  role               = "roles/iam.workloadIdentityUser"
  # Not the subject, because GitHub changes its form (immutable IDs since 2026-06).
  member = "principalSet://iam.googleapis.com/${google_iam_workload_identity_pool.github.name}/attribute.environment/${var.github.environment}"
}

resource "google_project_iam_member" "ci_apply" {
  # checkov:skip=CKV_GCP_41: It creates the account and starts the machine with it.
  # checkov:skip=CKV_GCP_49: It creates the accounts.
  for_each = toset([
    "roles/bigquery.admin",
    "roles/cloudkms.admin",
    "roles/cloudsql.admin",
    "roles/compute.instanceAdmin.v1",
    "roles/compute.networkAdmin",
    "roles/compute.securityAdmin",
    "roles/iam.serviceAccountAdmin",
    "roles/iam.serviceAccountUser",
    "roles/iap.admin",
    "roles/logging.configWriter",
    "roles/monitoring.editor",
    "roles/secretmanager.admin",
    "roles/servicenetworking.networksAdmin",
    "roles/storage.admin",
  ])
  project = var.project_id
  role    = each.value
  member  = google_service_account.ci_apply.member
}

resource "google_project_iam_member" "ci_apply_grants" {
  project = var.project_id
  role    = "roles/resourcemanager.projectIamAdmin"
  member  = google_service_account.ci_apply.member

  condition {
    title      = "the platform's roles only"
    expression = "api.getAttribute('iam.googleapis.com/modifiedGrantsByRole', []).hasOnly([${join(", ", formatlist("'%s'", local.delegated_roles))}])"
  }
}

resource "google_project_iam_member" "ci_apply_backup" {
  count   = var.backup_project_id == null ? 0 : 1
  project = var.backup_project_id
  role    = "roles/bigquery.dataOwner"
  member  = google_service_account.ci_apply.member
}

resource "google_billing_account_iam_member" "ci_apply" {
  billing_account_id = var.billing_account
  role               = "roles/billing.costsManager"
  member             = google_service_account.ci_apply.member
}
