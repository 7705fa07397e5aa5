# The account of the Spark batches. Dagster submits the batches.

resource "google_service_account" "spark" {
  account_id   = "${var.prefix}-spark"
  display_name = "Runs the Spark batches"
}

resource "google_project_iam_member" "spark" {
  project = var.project_id
  role    = "roles/dataproc.worker"
  member  = google_service_account.spark.member
}

resource "google_storage_bucket_iam_member" "spark_raw" {
  bucket = google_storage_bucket.main["raw"].name
  role   = "roles/storage.objectViewer"
  member = google_service_account.spark.member
}

resource "google_storage_bucket_iam_member" "spark_code" {
  bucket = google_storage_bucket.main["code"].name
  role   = "roles/storage.objectViewer"
  member = google_service_account.spark.member
}

resource "google_storage_bucket_iam_member" "spark_processed" {
  bucket = google_storage_bucket.main["processed"].name
  role   = "roles/storage.objectUser"
  member = google_service_account.spark.member
}

resource "google_storage_bucket_iam_member" "spark_logs" {
  bucket = google_storage_bucket.main["logs"].name
  role   = "roles/storage.objectUser"
  member = google_service_account.spark.member
}
