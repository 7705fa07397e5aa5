# What can be brought back, and from where. Run with -var-file environments/NAME.tfvars.

mock_provider "google" {
  mock_data "google_project" {
    defaults = { number = "123456789012" }
  }
}

variables {
  image = "europe-west1-docker.pkg.dev/p/r/stock_platform@sha256:0000000000000000000000000000000000000000000000000000000000000000"
}

run "recovery" {
  command = apply

  assert {
    condition     = alltrue([for it in google_secret_manager_secret.main : it.version_destroy_ttl == "604800s"])
    error_message = "A destroyed secret cannot be brought back for a week."
  }

  assert {
    condition = alltrue([
      one(google_sql_database_instance.dagster.settings[0].backup_configuration[0].backup_retention_settings).retained_backups == var.database.retained_backups,
      var.database.retained_backups >= 7,
    ])
    error_message = "The database has not a backup of each day of the last week."
  }

  assert {
    condition = alltrue([
      for it in google_bigquery_dataset.backup :
      it.project == var.backup.project_id && it.location == var.region
    ])
    error_message = "Snapshots lie elsewhere than in the project that keeps them."
  }

  assert {
    condition = alltrue([
      for it in google_bigquery_data_transfer_config.backup :
      it.service_account_name == google_service_account.backup[0].email
    ])
    error_message = "Snapshots are taken by somebody else than their own account."
  }
}
