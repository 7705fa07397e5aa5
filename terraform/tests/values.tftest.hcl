# Values that only Google's API or a later apply would reject, and files that must agree.

mock_provider "google" {}

run "values" {
  command = plan

  assert {
    condition = alltrue([
      for choice in concat(
        [
          [google_billing_budget.monthly.budget_filter[0].calendar_period, "MONTH QUARTER YEAR"],
          [google_billing_budget.monthly.budget_filter[0].credit_types_treatment, "EXCLUDE_ALL_CREDITS INCLUDE_ALL_CREDITS INCLUDE_SPECIFIED_CREDITS"],
          [google_compute_firewall.iap_ssh.log_config[0].metadata, "EXCLUDE_ALL_METADATA INCLUDE_ALL_METADATA"],
          [google_compute_global_address.services.address_type, "EXTERNAL INTERNAL"],
          [google_compute_global_address.services.purpose, "PRIVATE_SERVICE_CONNECT VPC_PEERING"],
          [google_compute_router_nat.orchestrator.log_config[0].filter, "ALL ERRORS_ONLY TRANSLATIONS_ONLY"],
          [google_compute_router_nat.orchestrator.nat_ip_allocate_option, "AUTO_ONLY MANUAL_ONLY"],
          [google_sql_database_instance.dagster.settings[0].disk_type, "PD_HDD PD_SSD"],
          [google_sql_database_instance.dagster.settings[0].maintenance_window[0].update_track, "canary stable week5"],
        ],
        [
          for subnetwork in [google_compute_subnetwork.batches, google_compute_subnetwork.orchestrator] :
          [subnetwork.log_config[0].aggregation_interval, join(" ", formatlist("INTERVAL_%s", ["5_SEC", "30_SEC", "1_MIN", "5_MIN", "10_MIN", "15_MIN"]))]
        ],
        [for metric in google_logging_metric.main : [metric.metric_descriptor[0].metric_kind, "CUMULATIVE DELTA GAUGE"]],
        [for policy in google_monitoring_alert_policy.main : [policy.combiner, "AND AND_WITH_MATCHING_RESOURCE OR"]],
        [for channel in google_monitoring_notification_channel.email : [channel.type, "email"]],
      ) : contains(split(" ", choice[1]), choice[0])
    ])
    error_message = "A value is not one of the API's choices."
  }

  assert {
    condition = alltrue([
      for policy in google_monitoring_alert_policy.main : alltrue([
        can(regex("^\\d+s$", policy.alert_strategy[0].auto_close)),
        can(regex("^\\d+s$", policy.conditions[0].condition_prometheus_query_language[0].duration)),
        can(regex("^\\d+s$", policy.conditions[0].condition_prometheus_query_language[0].evaluation_interval)),
        contains(["CRITICAL", "ERROR", "WARNING"], policy.severity),
      ])
    ])
    error_message = "An alert's duration is not in seconds, or its severity is unknown."
  }

  assert {
    condition = alltrue([
      can(regex("^[a-z]+-[a-z]+\\d+$", var.region)),
      can(regex("^[0-9A-F]{6}-[0-9A-F]{6}-[0-9A-F]{6}$", var.budget.billing_account)),
      can(regex("^db-(f1-micro|g1-small|custom-\\d+-\\d+)$", var.database.tier)),
      var.dual_region == null || try(
        contains(["ASIA", "EU", "US"], var.dual_region.location) &&
        length(distinct(var.dual_region.regions)) == 2 &&
        alltrue([for region in var.dual_region.regions : can(regex("^[A-Z]+-[A-Z]+\\d+$", region))]),
        false,
      ),
    ])
    error_message = "A region, billing account or database tier does not have Google's format."
  }

  assert {
    condition     = strcontains(file("environments/${var.environment}.gcs.tfbackend"), "bucket = \"${var.prefix}-state\"\n")
    error_message = "The backend is not the state bucket of bootstrap."
  }

  assert {
    condition = alltrue([
      for name, value in {
        billing_account = var.budget.billing_account
        prefix          = var.prefix
        project_id      = var.project_id
        region          = var.region
        } : strcontains(
        "\n${replace(file("bootstrap/environments/${var.environment}.tfvars"), "/ +/", " ")}",
        "\n${name} = \"${value}\"\n",
      )
    ])
    error_message = "Bootstrap's variables of this environment differ from the platform's."
  }

  assert {
    condition = jsonencode(regexall("backup_project_id = \"(.*)\"", file("bootstrap/environments/${var.environment}.tfvars"))) == jsonencode([
      for project in compact([try(var.backup.project_id, "")]) : [project] if project != var.project_id
    ])
    error_message = "Bootstrap must name the backup project if and only if it is another project."
  }

  assert {
    condition     = (var.environment == "prod") == can(regex("environment += \"production\"", file("bootstrap/environments/${var.environment}.tfvars")))
    error_message = "The GitHub environment that approves production is called production."
  }

  assert {
    condition = alltrue([
      for path in fileset(".", "environments/*.tfvars") : alltrue([
        for name, value in { environment = var.environment, prefix = var.prefix, project_id = var.project_id } :
        regex("(?m)^${name} += \"(.*)\"$", file(path))[0] != value
      ]) if path != "environments/${var.environment}.tfvars"
    ])
    error_message = "Another environment has the same name, prefix or project."
  }
}
