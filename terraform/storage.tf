# The lake's layers, the Spark job's code, and logs: one bucket each.

locals {
  # `age` is that of the live version; `version_age` is the time since a version was replaced.
  buckets = {
    # Everything else is derived from raw data, so it is never deleted, but moved to colder storage.
    raw = {
      lake             = true
      soft_delete_days = 30
      lifecycle = [
        { type = "SetStorageClass", storage_class = "NEARLINE", age = 90 },
        { type = "SetStorageClass", storage_class = "COLDLINE", age = 365 },
        { type = "Delete", version_age = 90 },
      ]
    }
    # Derived from raw. Staged objects are abandoned after a week.
    processed = {
      lake             = true
      soft_delete_days = 7
      lifecycle = [
        { type = "SetStorageClass", storage_class = "NEARLINE", age = 180 },
        { type = "Delete", version_age = 30 },
        { type = "Delete", age = 7, prefix = "processed/_staging/" },
      ]
    }
    # A few kB per digest; a missing file is uploaded again.
    code = {
      lake             = false
      soft_delete_days = 7
      lifecycle = [
        { type = "Delete", version_age = 30 },
      ]
    }
    # Dagster's compute logs, Dataproc's staging files and driver output.
    logs = {
      lake             = false
      soft_delete_days = 0
      lifecycle = [
        { type = "Delete", age = 90 },
        { type = "Delete", version_age = 1 },
      ]
    }
  }
}

resource "google_storage_bucket" "main" {
  # checkov:skip=CKV_GCP_62: Cloud Audit Logs contain every write (logging.tf).
  for_each = local.buckets

  name                        = "${var.prefix}-${each.key}"
  location                    = each.value.lake && var.dual_region != null ? var.dual_region.location : var.region
  rpo                         = each.value.lake && var.dual_region != null ? "ASYNC_TURBO" : null
  uniform_bucket_level_access = true
  public_access_prevention    = "enforced"
  force_destroy               = !local.protected

  versioning {
    enabled = true
  }

  soft_delete_policy {
    retention_duration_seconds = each.value.soft_delete_days * 86400
  }

  dynamic "custom_placement_config" {
    for_each = each.value.lake && var.dual_region != null ? [var.dual_region.regions] : []
    content {
      data_locations = custom_placement_config.value
    }
  }

  dynamic "encryption" {
    for_each = var.cmek ? [local.kms_key] : []
    content {
      default_kms_key_name = encryption.value
    }
  }

  dynamic "lifecycle_rule" {
    for_each = each.value.lifecycle
    content {
      action {
        type          = lifecycle_rule.value.type
        storage_class = try(lifecycle_rule.value.storage_class, null)
      }
      condition {
        age                        = try(lifecycle_rule.value.age, null)
        days_since_noncurrent_time = try(lifecycle_rule.value.version_age, null)
        matches_prefix             = try([lifecycle_rule.value.prefix], null)
        with_state                 = can(lifecycle_rule.value.age) ? "LIVE" : "ARCHIVED"
      }
    }
  }

  lifecycle_rule {
    action {
      type = "AbortIncompleteMultipartUpload"
    }
    condition {
      age = 7
    }
  }
}

# The orchestrator's account for the lake. Only this account and the batches write the lake.
resource "google_service_account" "ingest" {
  account_id   = "${var.prefix}-ingest"
  display_name = "Reads and writes the lake for the orchestrator"
}

resource "google_storage_bucket_iam_member" "ingest_raw" {
  bucket = google_storage_bucket.main["raw"].name
  role   = "roles/storage.objectUser"
  member = google_service_account.ingest.member
}

resource "google_storage_bucket_iam_member" "ingest_processed" {
  bucket = google_storage_bucket.main["processed"].name
  role   = "roles/storage.objectUser"
  member = google_service_account.ingest.member
}
