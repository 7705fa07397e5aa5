# Backups, versions and retention.

mock_provider "google" {
  mock_data "google_project" {
    defaults = { number = "123456789012" }
  }
}

run "recovery" {
  command = apply

  assert {
    condition     = alltrue([for secret in google_secret_manager_secret.main : secret.version_destroy_ttl == "604800s"])
    error_message = "A destroyed secret cannot be restored for a week."
  }

  assert {
    condition = alltrue([
      one(google_sql_database_instance.dagster.settings[0].backup_configuration[0].backup_retention_settings).retained_backups == var.database.retained_backups,
      var.database.retained_backups >= 7,
    ])
    error_message = "The database lacks daily backups of the last week."
  }

  assert {
    condition = alltrue([
      for dataset in google_bigquery_dataset.backup :
      dataset.project == var.backup.project_id && dataset.location == var.region
    ])
    error_message = "Snapshots are not in the backup project and the region."
  }

  assert {
    condition = alltrue([
      for schedule in google_bigquery_data_transfer_config.backup :
      schedule.service_account_name == google_service_account.backup[0].email
    ])
    error_message = "Snapshots are not taken by their own account."
  }

  assert {
    condition     = { for name, bucket in local.buckets : name => bucket.lake } == { code = false, logs = false, processed = true, raw = true }
    error_message = "A layer of the lake has no bucket of its own."
  }

  assert {
    condition = alltrue(flatten([
      for bucket in local.buckets : [
        for rule in bucket.lifecycle : [
          contains(["Delete", "SetStorageClass"], rule.type),
          can(rule.age) != can(rule.version_age),
          can(rule.storage_class) == (rule.type == "SetStorageClass"),
          contains(["ARCHIVE", "COLDLINE", "NEARLINE"], try(rule.storage_class, "NEARLINE")),
        ]
      ]
    ]))
    error_message = "A lifecycle rule is not one that Cloud Storage knows."
  }

  assert {
    condition = alltrue([
      for name, bucket in local.buckets : can(regex(format("(?m)^\\| `%s` \\|[^|]*\\| %s \\| %d days \\|$", name, join(", ", [
        for rule in bucket.lifecycle : replace(
          rule.type == "SetStorageClass" ? "${rule.storage_class} after ${rule.age} days" :
          can(rule.version_age) ? "old versions deleted after ${rule.version_age} days" :
          "${try("`${rule.prefix}` ", "")}deleted after ${rule.age} days",
          " 1 days", " 1 day",
        )
      ]), bucket.soft_delete_days), file("README.md")))
    ])
    error_message = "The README's table of buckets differs from their lifecycles."
  }
}
