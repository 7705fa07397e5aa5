# What must hold in each environment. Run with -var-file environments/NAME.tfvars.

mock_provider "google" {
  mock_data "google_project" {
    defaults = { number = "123456789012" }
  }
}

variables {
  image = "europe-west1-docker.pkg.dev/p/r/stock_platform@sha256:0000000000000000000000000000000000000000000000000000000000000000"
}

run "security" {
  command = apply

  assert {
    condition = alltrue([
      for it in google_storage_bucket.main :
      it.uniform_bucket_level_access && it.public_access_prevention == "enforced"
    ])
    error_message = "A bucket could be made public, or has access lists of its own."
  }

  assert {
    condition = alltrue([
      for it in google_storage_bucket.main : it.versioning[0].enabled && anytrue([
        for rule in it.lifecycle_rule :
        one(rule.action).type == "Delete" && one(rule.condition).with_state == "ARCHIVED"
      ])
    ])
    error_message = "A bucket does not keep what is overwritten, or keeps it for ever."
  }

  assert {
    condition = alltrue([
      for it in google_storage_bucket.main : alltrue([
        for rule in it.lifecycle_rule :
        !(one(rule.action).type == "Delete" && one(rule.condition).with_state == "LIVE" && it.name == "${var.prefix}-raw")
      ])
    ])
    error_message = "A rule deletes raw data."
  }

  assert {
    condition = alltrue([
      for it in google_storage_bucket.main :
      it.soft_delete_policy[0].retention_duration_seconds >= (it.name == "${var.prefix}-logs" ? 0 : 7 * 86400)
    ])
    error_message = "What is deleted cannot be brought back for a week."
  }

  assert {
    condition     = alltrue([for it in google_storage_bucket.main : it.force_destroy == (var.environment == "dev")])
    error_message = "Outside dev, Terraform would delete a bucket with what lies in it."
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
    error_message = "The orchestrator is not a shielded machine that is entered by OS Login alone."
  }

  assert {
    condition     = google_compute_instance.orchestrator.service_account[0].email == google_service_account.orchestrator.email
    error_message = "The orchestrator runs as another account than its own."
  }

  assert {
    condition = alltrue([
      for it in [var.image, google_sql_database_instance.dagster.private_ip_address, google_compute_subnetwork.batches.id] :
      strcontains(google_compute_instance.orchestrator.metadata_startup_script, it)
    ])
    error_message = "The orchestrator's script does not know its image, database or subnet."
  }

  assert {
    condition = alltrue([
      google_compute_firewall.batches.source_ranges == toset([google_compute_subnetwork.batches.ip_cidr_range]),
      google_compute_firewall.batches.destination_ranges == toset([google_compute_subnetwork.batches.ip_cidr_range]),
    ])
    error_message = "Batches reach more than each other."
  }

  assert {
    condition = alltrue([
      google_compute_firewall.iap_ssh.source_ranges == toset(["35.235.240.0/20"]),
      google_compute_firewall.iap_ssh.target_service_accounts == toset([google_service_account.orchestrator.email]),
      one(google_compute_firewall.iap_ssh.allow).ports == tolist(["22"]),
    ])
    error_message = "SSH is open to more than Identity-Aware Proxy."
  }

  assert {
    condition = alltrue([
      google_compute_router_nat.orchestrator.source_subnetwork_ip_ranges_to_nat == "LIST_OF_SUBNETWORKS",
      [for it in google_compute_router_nat.orchestrator.subnetwork : it.name] == [google_compute_subnetwork.orchestrator.id],
    ])
    error_message = "More than the orchestrator's subnet reaches the internet."
  }

  assert {
    condition = alltrue([
      google_compute_subnetwork.batches.private_ip_google_access,
      google_compute_subnetwork.orchestrator.private_ip_google_access,
    ])
    error_message = "A subnet does not reach Google's APIs privately."
  }

  assert {
    condition = alltrue([
      !google_sql_database_instance.dagster.settings[0].ip_configuration[0].ipv4_enabled,
      length(google_sql_database_instance.dagster.settings[0].ip_configuration[0].authorized_networks) == 0,
      google_sql_database_instance.dagster.settings[0].ip_configuration[0].ssl_mode == "ENCRYPTED_ONLY",
      google_sql_database_instance.dagster.settings[0].ip_configuration[0].private_network == google_compute_network.main.id,
    ])
    error_message = "The database has a public address, or takes connections in the clear."
  }

  assert {
    condition = alltrue([
      google_sql_database_instance.dagster.settings[0].backup_configuration[0].enabled,
      google_sql_database_instance.dagster.settings[0].backup_configuration[0].point_in_time_recovery_enabled,
      google_sql_database_instance.dagster.settings[0].backup_configuration[0].transaction_log_retention_days >= 7,
    ])
    error_message = "The database cannot be brought back to any minute of the last week."
  }

  assert {
    condition = alltrue([
      for protection in concat(
        [google_sql_database_instance.dagster.deletion_protection],
        [google_sql_database_instance.dagster.settings[0].deletion_protection_enabled],
        [for it in google_bigquery_table.view : it.deletion_protection],
        [for it in merge(module.tables.tables, module.tables_that_refer.tables, module.tables_that_refer_to_those.tables) : it.deletion_protection],
        [!google_bigquery_dataset.main.delete_contents_on_destroy],
      ) : protection == (var.environment != "dev")
    ])
    error_message = "Outside dev, and only there, data is protected from Terraform."
  }

  assert {
    condition     = tonumber(google_bigquery_dataset.main.max_time_travel_hours) == 168
    error_message = "The warehouse's past is kept for a week."
  }

  assert {
    condition     = var.environment == "dev" || length(google_bigquery_data_transfer_config.backup) == 1
    error_message = "Outside dev the warehouse has snapshots."
  }

  assert {
    condition     = var.environment != "prod" || try(var.backup.project_id, var.project_id) != var.project_id
    error_message = "Production's snapshots lie in another project."
  }

  # Without the ID, a schedule of somebody else's would stand in for the snapshots.
  assert {
    condition = [
      for it in google_bigquery_data_transfer_config.backup : strcontains(
        google_monitoring_alert_policy.main["snapshot-missing"].conditions[0].condition_prometheus_query_language[0].query,
        "config_id=\"${basename(it.name)}\"",
      )
    ] == [for it in google_bigquery_data_transfer_config.backup : true]
    error_message = "Nobody is called when a snapshot is missing."
  }

  assert {
    condition     = var.environment != "prod" || alltrue([for name in ["raw", "processed"] : google_storage_bucket.main[name].rpo == "ASYNC_TURBO"])
    error_message = "Production's lake lies in two regions."
  }

  assert {
    condition = alltrue([
      for name, it in google_monitoring_alert_policy.main :
      length(it.notification_channels) > 0 &&
      it.documentation[0].links[0].url == "${var.repository_url}/blob/main/docs/runbooks/${name}.md"
    ])
    error_message = "An alert has no receiver or no runbook."
  }
}
