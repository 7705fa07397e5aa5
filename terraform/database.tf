# Dagster's runs, events and schedules. The password of the user `dagster` is set with gcloud, so
# that no state contains it.

resource "google_sql_database_instance" "dagster" {
  # checkov:skip=CKV_GCP_6: Encryption is required; client certificates would be keys to protect, and the network is private.
  # checkov:skip=CKV_GCP_79: A new major version is a migration that needs a rehearsal.
  # checkov:skip=CKV_GCP_108: Connections come from one private address; name lookups would only slow them down.
  # checkov:skip=CKV_GCP_110: Reads of runs and events need no audit.
  # checkov:skip=CKV2_GCP_13: Query Insights has the durations; a log line per statement would be noise.
  name                = "${var.prefix}-dagster"
  region              = var.region
  database_version    = "POSTGRES_17"
  encryption_key_name = local.kms_key
  deletion_protection = local.protected

  settings {
    edition                     = "ENTERPRISE"
    tier                        = var.database.tier
    availability_type           = var.database.high_availability ? "REGIONAL" : "ZONAL"
    deletion_protection_enabled = local.protected
    disk_type                   = "PD_SSD"
    disk_size                   = 10
    disk_autoresize             = true
    disk_autoresize_limit       = 100
    user_labels                 = local.labels

    ip_configuration {
      ipv4_enabled    = false
      private_network = google_compute_network.main.id
      ssl_mode        = "ENCRYPTED_ONLY"
    }

    backup_configuration {
      enabled                        = true
      start_time                     = "09:00" # UTC, after the night's runs
      point_in_time_recovery_enabled = true
      transaction_log_retention_days = 7

      backup_retention_settings {
        retained_backups = var.database.retained_backups
      }
    }

    maintenance_window {
      day          = 6
      hour         = 12
      update_track = "stable"
    }

    insights_config {
      query_insights_enabled = true
    }

    # Logs for the analysis of failures; Query Insights has the slow statements.
    # Not a dynamic block, because scanners do not evaluate it.
    database_flags {
      name  = "log_checkpoints"
      value = "on"
    }

    database_flags {
      name  = "log_connections"
      value = "on"
    }

    database_flags {
      name  = "log_disconnections"
      value = "on"
    }

    database_flags {
      name  = "log_lock_waits"
      value = "on"
    }

    database_flags {
      name  = "log_min_error_statement"
      value = "error"
    }

    database_flags {
      name  = "log_min_messages"
      value = "warning"
    }

    database_flags {
      name  = "log_statement"
      value = "ddl"
    }

    database_flags {
      name  = "log_temp_files"
      value = "0"
    }
  }

  depends_on = [google_service_networking_connection.services]
}

resource "google_sql_database" "dagster" {
  name     = "dagster"
  instance = google_sql_database_instance.dagster.name
}
