# The platform's state, in a project where neither the machine nor Spark has permissions, because a
# writer of the state decides which providers the pipeline runs. All versions of 90 days are kept.

resource "google_storage_bucket" "state" {
  # checkov:skip=CKV_GCP_62: Cloud Audit Logs contain reads and writes.
  project                     = var.state_project_id
  name                        = "${var.prefix}-state"
  location                    = var.region
  uniform_bucket_level_access = true
  public_access_prevention    = "enforced"

  versioning {
    enabled = true
  }

  soft_delete_policy {
    retention_duration_seconds = 30 * 86400
  }

  lifecycle_rule {
    action {
      type = "Delete"
    }
    condition {
      days_since_noncurrent_time = 90
      num_newer_versions         = 10
      with_state                 = "ARCHIVED"
    }
  }

  lifecycle {
    prevent_destroy = true
  }

  depends_on = [google_project_service.state]
}

resource "google_storage_bucket_iam_member" "ci_plan_state" {
  bucket = google_storage_bucket.state.name
  role   = "roles/storage.objectViewer"
  member = google_service_account.ci_plan.member
}

resource "google_storage_bucket_iam_member" "ci_apply_state" {
  bucket = google_storage_bucket.state.name
  role   = "roles/storage.objectUser"
  member = google_service_account.ci_apply.member
}
