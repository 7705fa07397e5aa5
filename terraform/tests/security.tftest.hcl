# Access, network and protection of data in each environment.

mock_provider "google" {
  mock_data "google_project" {
    defaults = { number = "123456789012" }
  }
}

run "security" {
  command = apply

  assert {
    condition = alltrue([
      for bucket in google_storage_bucket.main :
      bucket.uniform_bucket_level_access && bucket.public_access_prevention == "enforced"
    ])
    error_message = "A bucket can be made public, or has access lists."
  }

  assert {
    condition = alltrue([
      for bucket in google_storage_bucket.main : bucket.versioning[0].enabled && anytrue([
        for rule in bucket.lifecycle_rule :
        one(rule.action).type == "Delete" && one(rule.condition).with_state == "ARCHIVED"
      ])
    ])
    error_message = "A bucket does not keep overwritten objects, or keeps them indefinitely."
  }

  assert {
    condition = alltrue([
      for bucket in google_storage_bucket.main : alltrue([
        for rule in bucket.lifecycle_rule :
        !(one(rule.action).type == "Delete" && one(rule.condition).with_state == "LIVE" && bucket.name == "${var.prefix}-raw")
      ])
    ])
    error_message = "A rule deletes raw data."
  }

  assert {
    condition = alltrue([
      for bucket in google_storage_bucket.main :
      bucket.soft_delete_policy[0].retention_duration_seconds >= (bucket.name == "${var.prefix}-logs" ? 0 : 7 * 86400)
    ])
    error_message = "Deleted objects cannot be restored for a week."
  }

  assert {
    condition     = alltrue([for bucket in google_storage_bucket.main : bucket.force_destroy == (var.environment == "dev")])
    error_message = "Outside dev, Terraform would delete a bucket with its objects."
  }

  assert {
    condition     = length(google_compute_instance.orchestrator.network_interface[0].access_config) == 0
    error_message = "The orchestrator has an external address."
  }

  assert {
    condition = alltrue([
      google_compute_instance.orchestrator.shielded_instance_config[0].enable_secure_boot,
      google_compute_instance.orchestrator.shielded_instance_config[0].enable_vtpm,
      google_compute_instance.orchestrator.shielded_instance_config[0].enable_integrity_monitoring,
      google_compute_instance.orchestrator.metadata == tomap({
        block-project-ssh-keys = "TRUE"
        enable-oslogin         = "TRUE"
        serial-port-enable     = "FALSE"
      }),
    ])
    error_message = "The orchestrator is not a shielded machine, or allows logins without OS Login."
  }

  assert {
    condition     = google_compute_instance.orchestrator.service_account[0].email == google_service_account.orchestrator.email
    error_message = "The orchestrator does not run as its own account."
  }

  assert {
    condition = alltrue([
      for value in [var.image, google_sql_database_instance.dagster.private_ip_address, google_compute_subnetwork.batches.id] :
      strcontains(google_compute_instance.orchestrator.metadata_startup_script, value)
    ])
    error_message = "The startup script lacks the image, database or subnet."
  }

  assert {
    condition = alltrue([
      google_compute_firewall.batches.source_ranges == toset([google_compute_subnetwork.batches.ip_cidr_range]),
      google_compute_firewall.batches.destination_ranges == toset([google_compute_subnetwork.batches.ip_cidr_range]),
    ])
    error_message = "Batches reach other machines than each other."
  }

  assert {
    condition = alltrue([
      google_compute_firewall.iap_ssh.source_ranges == toset(["35.235.240.0/20"]),
      google_compute_firewall.iap_ssh.target_service_accounts == toset([google_service_account.orchestrator.email]),
      one(google_compute_firewall.iap_ssh.allow).ports == tolist(["22"]),
    ])
    error_message = "SSH is open to others than Identity-Aware Proxy."
  }

  assert {
    condition = alltrue([
      google_compute_router_nat.orchestrator.source_subnetwork_ip_ranges_to_nat == "LIST_OF_SUBNETWORKS",
      [for subnetwork in google_compute_router_nat.orchestrator.subnetwork : subnetwork.name] == [google_compute_subnetwork.orchestrator.id],
    ])
    error_message = "Another subnet than the orchestrator's reaches the internet."
  }

  assert {
    condition = alltrue([
      google_compute_subnetwork.batches.private_ip_google_access,
      google_compute_subnetwork.orchestrator.private_ip_google_access,
    ])
    error_message = "A subnet has no private access to Google's APIs."
  }

  assert {
    condition = alltrue([
      !google_sql_database_instance.dagster.settings[0].ip_configuration[0].ipv4_enabled,
      length(google_sql_database_instance.dagster.settings[0].ip_configuration[0].authorized_networks) == 0,
      google_sql_database_instance.dagster.settings[0].ip_configuration[0].ssl_mode == "ENCRYPTED_ONLY",
      google_sql_database_instance.dagster.settings[0].ip_configuration[0].private_network == google_compute_network.main.id,
    ])
    error_message = "The database has a public address, or accepts unencrypted connections."
  }

  assert {
    condition = alltrue([
      google_sql_database_instance.dagster.settings[0].backup_configuration[0].enabled,
      google_sql_database_instance.dagster.settings[0].backup_configuration[0].point_in_time_recovery_enabled,
      google_sql_database_instance.dagster.settings[0].backup_configuration[0].transaction_log_retention_days >= 7,
    ])
    error_message = "The database cannot be restored to any moment of the last week."
  }

  assert {
    condition = alltrue([
      for protection in concat(
        [google_sql_database_instance.dagster.deletion_protection],
        [google_sql_database_instance.dagster.settings[0].deletion_protection_enabled],
        [for view in google_bigquery_table.view : view.deletion_protection],
        [for table in merge(module.tables.tables, module.tables_that_refer.tables, module.tables_that_refer_to_those.tables) : table.deletion_protection],
        [!google_bigquery_dataset.main.delete_contents_on_destroy],
      ) : protection == (var.environment != "dev")
    ])
    error_message = "Data is not protected from Terraform outside dev, or is protected in dev."
  }

  assert {
    condition     = tonumber(google_bigquery_dataset.main.max_time_travel_hours) == 168
    error_message = "Time travel of the warehouse is not a week."
  }

  assert {
    condition     = var.environment == "dev" || length(google_bigquery_data_transfer_config.backup) == 1
    error_message = "An environment other than dev has no snapshots."
  }

  assert {
    condition     = var.environment != "prod" || try(var.backup.project_id, var.project_id) != var.project_id
    error_message = "Production's snapshots are not in another project."
  }

  # Without the ID, another schedule's runs would count as snapshots.
  assert {
    condition = [
      for schedule in google_bigquery_data_transfer_config.backup : strcontains(
        google_monitoring_alert_policy.main["snapshot-missing"].conditions[0].condition_prometheus_query_language[0].query,
        "config_id=\"${basename(schedule.name)}\"",
      )
    ] == [for schedule in google_bigquery_data_transfer_config.backup : true]
    error_message = "The alert about missing snapshots does not select their schedule."
  }

  assert {
    condition     = var.environment != "prod" || alltrue([for name in ["raw", "processed"] : google_storage_bucket.main[name].rpo == "ASYNC_TURBO"])
    error_message = "Production's lake is not in two regions."
  }

  assert {
    condition = alltrue([
      for name, policy in google_monitoring_alert_policy.main :
      length(policy.notification_channels) > 0 &&
      policy.documentation[0].links[0].url == "${var.repository_url}/blob/main/docs/runbooks/${name}.md"
    ])
    error_message = "An alert has no receiver or no runbook."
  }
}
