# Daily snapshots of the warehouse's tables, kept in another project.
#
# Snapshots, not a copied dataset: they cost only what has changed since, they are a month of
# yesterdays instead of the one that a copy overwrites, and they need no identity of another
# project. They lie in the warehouse's region. What a lost region is met with is the lake, in two
# regions if `dual_region` is set, and a rebuild from it.

resource "google_bigquery_dataset" "backup" {
  # checkov:skip=CKV_GCP_81: A snapshot keeps the key of the table it was made of.
  count                       = var.backup == null ? 0 : 1
  project                     = var.backup.project_id
  dataset_id                  = "${local.dataset}_backup"
  description                 = "Snapshots of ${var.project_id}.${local.dataset}: TABLE_YYYYMMDD."
  location                    = var.region
  default_table_expiration_ms = var.backup.retention_days * 86400000
  max_time_travel_hours       = 168
}

resource "google_bigquery_data_transfer_config" "backup" {
  count                = var.backup == null ? 0 : 1
  display_name         = "${var.prefix} snapshots"
  data_source_id       = "scheduled_query"
  location             = var.region
  schedule             = "every day 10:00" # UTC, after the night's runs
  service_account_name = google_service_account.backup[0].email

  params = {
    query = templatefile("${path.module}/queries/snapshots.sql.tftpl", {
      backup = "${var.backup.project_id}.${google_bigquery_dataset.backup[0].dataset_id}"
      source = "${var.project_id}.${local.dataset}"
      tables = sort(keys(local.tables))
    })
  }

  depends_on = [
    google_bigquery_dataset_iam_member.backup_source,
    google_bigquery_dataset_iam_member.backup_target,
    google_project_iam_member.backup,
  ]
}

resource "google_service_account" "backup" {
  count        = var.backup == null ? 0 : 1
  account_id   = "${var.prefix}-backup"
  display_name = "Takes snapshots of the warehouse"
}

resource "google_bigquery_dataset_iam_member" "backup_source" {
  count      = var.backup == null ? 0 : 1
  dataset_id = google_bigquery_dataset.main.dataset_id
  role       = "roles/bigquery.dataViewer"
  member     = google_service_account.backup[0].member
}

resource "google_bigquery_dataset_iam_member" "backup_target" {
  count      = var.backup == null ? 0 : 1
  project    = var.backup.project_id
  dataset_id = google_bigquery_dataset.backup[0].dataset_id
  role       = "roles/bigquery.dataEditor"
  member     = google_service_account.backup[0].member
}

resource "google_project_iam_member" "backup" {
  count   = var.backup == null ? 0 : 1
  project = var.project_id
  role    = "roles/bigquery.jobUser"
  member  = google_service_account.backup[0].member
}
