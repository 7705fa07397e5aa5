# What each environment may cost. Run with -var-file environments/NAME.tfvars.

mock_provider "google" {
  mock_data "google_project" {
    defaults = { number = "123456789012" }
  }
}

variables {
  image = "europe-west1-docker.pkg.dev/p/r/stock_platform@sha256:0000000000000000000000000000000000000000000000000000000000000000"
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
    error_message = "dev has the smallest machines, and no copies."
  }

  assert {
    condition = var.environment == "prod" || alltrue([
      for it in google_storage_bucket.main : it.location == var.region && it.rpo != "ASYNC_TURBO"
    ])
    error_message = "Only production pays for two regions."
  }

  assert {
    condition = alltrue([
      google_sql_database_instance.dagster.settings[0].edition == "ENTERPRISE",
      google_sql_database_instance.dagster.settings[0].availability_type == "ZONAL",
      google_sql_database_instance.dagster.settings[0].disk_autoresize_limit == 100,
    ])
    error_message = "The database's edition is the dear one, a second zone is paid for, or its disk grows without bounds."
  }

  assert {
    condition     = google_compute_instance.orchestrator.boot_disk[0].initialize_params[0].size <= 30
    error_message = "The orchestrator holds no state: a small disk is enough."
  }

  assert {
    condition = alltrue([
      for name in ["raw", "processed"] : contains(
        [for rule in google_storage_bucket.main[name].lifecycle_rule : one(rule.action).storage_class], "NEARLINE"
      )
    ])
    error_message = "The lake's old objects do not become colder."
  }

  assert {
    condition = anytrue([
      for rule in google_storage_bucket.main["logs"].lifecycle_rule :
      one(rule.action).type == "Delete" && one(rule.condition).age == 90
    ])
    error_message = "Logs are kept for ever."
  }

  assert {
    condition = alltrue([
      for it in google_storage_bucket.main : anytrue([
        for rule in it.lifecycle_rule :
        one(rule.action).type == "AbortIncompleteMultipartUpload" && one(rule.condition).age == 7
      ])
    ])
    error_message = "Unfinished uploads, which nobody sees, are paid for for ever."
  }

  assert {
    condition     = google_bigquery_dataset.main.default_table_expiration_ms == null || google_bigquery_dataset.main.default_table_expiration_ms == 0
    error_message = "The warehouse's tables expire."
  }

  assert {
    condition = alltrue([
      for it in google_bigquery_dataset.backup :
      it.default_table_expiration_ms == var.backup.retention_days * 86400000
    ])
    error_message = "Snapshots are kept for ever."
  }

  assert {
    condition = alltrue([
      google_billing_budget.monthly.budget_filter[0].projects == toset(["projects/123456789012"]),
      tonumber(google_billing_budget.monthly.amount[0].specified_amount[0].units) == var.budget.monthly,
      [for it in google_billing_budget.monthly.threshold_rules : it.threshold_percent if it.spend_basis == "CURRENT_SPEND"] == [0.5, 0.9, 1],
      [for it in google_billing_budget.monthly.threshold_rules : it.threshold_percent if it.spend_basis == "FORECASTED_SPEND"] == [1],
      length(google_billing_budget.monthly.all_updates_rule[0].monitoring_notification_channels) > 0,
    ])
    error_message = "The budget does not call at 50, 90 and 100 % of what was spent, and of what is forecast."
  }

  assert {
    condition     = var.log_retention_days <= (var.environment == "prod" ? 90 : 30)
    error_message = "Logs older than thirty days are paid for, and only production's are worth it."
  }

  assert {
    condition     = local.labels == { app = "stock_platform", deployment = local.deployment, environment = var.environment }
    error_message = "Costs are told apart by these labels."
  }

  # The provider puts its default labels on everything else.
  assert {
    condition = alltrue([
      for it in [
        google_sql_database_instance.dagster.settings[0].user_labels,
        google_compute_instance.orchestrator.boot_disk[0].initialize_params[0].labels,
      ] : it == tomap(local.labels)
    ])
    error_message = "The database or the machine's disk is not told apart in costs."
  }
}
