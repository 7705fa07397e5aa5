# Limits of the cost of each environment.

mock_provider "google" {
  mock_data "google_project" {
    defaults = { number = "123456789012" }
  }
}

run "cost" {
  command = apply

  assert {
    condition = var.environment != "dev" || alltrue([
      google_sql_database_instance.dagster.settings[0].tier == "db-f1-micro",
      google_compute_instance.orchestrator.machine_type == "e2-medium",
      length(google_bigquery_dataset.backup) == 0,
      !contains(keys(google_monitoring_alert_policy.main), "snapshot-missing"),
    ])
    error_message = "dev does not have the smallest machines, or has snapshots."
  }

  assert {
    condition = var.environment == "prod" || alltrue([
      for bucket in google_storage_bucket.main : bucket.location == var.region && bucket.rpo != "ASYNC_TURBO"
    ])
    error_message = "Another environment than production pays for two regions."
  }

  assert {
    condition = alltrue([
      google_sql_database_instance.dagster.settings[0].edition == "ENTERPRISE",
      google_sql_database_instance.dagster.settings[0].availability_type == "ZONAL",
      google_sql_database_instance.dagster.settings[0].disk_autoresize_limit == 100,
    ])
    error_message = "The database has the expensive edition, a second zone, or a disk without a limit."
  }

  assert {
    condition     = google_compute_instance.orchestrator.boot_disk[0].initialize_params[0].size <= 30
    error_message = "The orchestrator's disk is larger than a machine without state needs."
  }

  assert {
    condition = alltrue([
      for name in ["raw", "processed"] : contains(
        [for rule in google_storage_bucket.main[name].lifecycle_rule : one(rule.action).storage_class], "NEARLINE"
      )
    ])
    error_message = "Old objects of the lake are not moved to colder storage."
  }

  assert {
    condition = anytrue([
      for rule in google_storage_bucket.main["logs"].lifecycle_rule :
      one(rule.action).type == "Delete" && one(rule.condition).age == 90
    ])
    error_message = "Logs are kept indefinitely."
  }

  assert {
    condition = alltrue([
      for bucket in google_storage_bucket.main : anytrue([
        for rule in bucket.lifecycle_rule :
        one(rule.action).type == "AbortIncompleteMultipartUpload" && one(rule.condition).age == 7
      ])
    ])
    error_message = "Unfinished uploads are kept indefinitely."
  }

  assert {
    condition     = google_bigquery_dataset.main.default_table_expiration_ms == null || google_bigquery_dataset.main.default_table_expiration_ms == 0
    error_message = "The warehouse's tables expire."
  }

  assert {
    condition = alltrue([
      for dataset in google_bigquery_dataset.backup :
      dataset.default_table_expiration_ms == var.backup.retention_days * 86400000
    ])
    error_message = "Snapshots are not deleted after their retention."
  }

  assert {
    condition = alltrue([
      google_billing_budget.monthly.budget_filter[0].projects == toset(["projects/123456789012"]),
      tonumber(google_billing_budget.monthly.amount[0].specified_amount[0].units) == var.budget.monthly,
      [for rule in google_billing_budget.monthly.threshold_rules : rule.threshold_percent if rule.spend_basis == "CURRENT_SPEND"] == [0.5, 0.9, 1],
      [for rule in google_billing_budget.monthly.threshold_rules : rule.threshold_percent if rule.spend_basis == "FORECASTED_SPEND"] == [1],
      length(google_billing_budget.monthly.all_updates_rule[0].monitoring_notification_channels) > 0,
    ])
    error_message = "The budget does not alert at 50, 90 and 100 % of the cost, and at 100 % of the forecast."
  }

  assert {
    condition     = var.log_retention_days <= (var.environment == "prod" ? 90 : 30)
    error_message = "An environment pays for logs that only production needs."
  }

  assert {
    condition     = local.labels == { app = "stock_platform", deployment = local.deployment, environment = var.environment }
    error_message = "The labels that split the bill are wrong."
  }

  # The provider puts its default labels on everything else.
  assert {
    condition = alltrue([
      for value in [
        google_sql_database_instance.dagster.settings[0].user_labels,
        google_compute_instance.orchestrator.boot_disk[0].initialize_params[0].labels,
      ] : value == tomap(local.labels)
    ])
    error_message = "The database or the machine's disk lacks the labels that split the bill."
  }
}
