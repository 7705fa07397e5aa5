# Dagster's runs, events and schedules. The password of its user `dagster` is set with gcloud, so
# that it never enters a state.

locals {
  # What helps to find out afterwards what went wrong: slow statements and changes of the schema.
  _database_flags = {
    "log_checkpoints"            = "on"
    "log_connections"            = "on"
    "log_disconnections"         = "on"
    "log_lock_waits"             = "on"
    "log_min_duration_statement" = "5000" # ms
    "log_min_error_statement"    = "error"
    "log_min_messages"           = "warning"
    "log_statement"              = "ddl"
    "log_temp_files"             = "0"
  }
}

resource "google_sql_database_instance" "dagster" {
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

    dynamic "database_flags" {
      for_each = local._database_flags
      content {
        name  = database_flags.key
        value = database_flags.value
      }
    }
  }

  depends_on = [google_service_networking_connection.services]
}

resource "google_sql_database" "dagster" {
  name     = "dagster"
  instance = google_sql_database_instance.dagster.name
}
