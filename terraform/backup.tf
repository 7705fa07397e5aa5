# Daily snapshots of the warehouse's tables, kept in another project.
#
# Snapshots instead of a copied dataset, because they store only changed data, keep each day of a
# month, and need no account in another project. They are in the warehouse's region. After the loss
# of a region the warehouse is rebuilt from the lake, which `dual_region` keeps in two regions.

resource "google_bigquery_dataset" "backup" {
  # checkov:skip=CKV_GCP_81: A snapshot keeps the key of its table.
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
