# APIs. In the platform's root everything would have to wait for them, and the pipeline would need
# the permission to enable any API.

locals {
  _services = [
    "artifactregistry.googleapis.com",
    "bigquery.googleapis.com",
    "bigquerydatatransfer.googleapis.com",
    "bigquerystorage.googleapis.com",
    "billingbudgets.googleapis.com",
    "cloudbilling.googleapis.com",
    "cloudkms.googleapis.com",
    "cloudresourcemanager.googleapis.com",
    "compute.googleapis.com",
    "dataproc.googleapis.com",
    "iam.googleapis.com",
    "iamcredentials.googleapis.com",
    "iap.googleapis.com",
    "logging.googleapis.com",
    "monitoring.googleapis.com",
    "oslogin.googleapis.com",
    "secretmanager.googleapis.com",
    "servicenetworking.googleapis.com",
    "sqladmin.googleapis.com",
    "storage.googleapis.com",
    "sts.googleapis.com",
  ]
}

resource "google_project_service" "main" {
  for_each           = toset(local._services)
  service            = each.key
  disable_on_destroy = false
}

# Compute's default account is an editor of the project, and the pipeline may act as it.
resource "google_project_default_service_accounts" "main" {
  project = var.project_id
  action  = "DEPRIVILEGE"

  depends_on = [google_project_service.main]
}

resource "google_project_service" "backup" {
  count              = var.backup_project_id == null ? 0 : 1
  project            = var.backup_project_id
  service            = "bigquery.googleapis.com"
  disable_on_destroy = false
}

resource "google_project_service" "state" {
  project            = var.state_project_id
  service            = "storage.googleapis.com"
  disable_on_destroy = false
}
