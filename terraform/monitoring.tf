# Alerts that the platform cannot send itself. Each has a runbook of its name in docs/runbooks/.
#
# Failed runs, checks, batches, ticks and backfills and late prices are reported by the platform
# (docs/monitoring.md).

locals {
  # In PromQL. A log-based metric may belong to several kinds of resources, so each query names one.
  alerts = {
    # A dead man's switch: both no value and zero mean that the platform is silent.
    heartbeat-missing = {
      what     = "No heartbeat for a quarter of an hour: machine, daemon, code server or database may be down."
      severity = "CRITICAL"
      lasts    = "0s"
      query    = <<-EOT
        (sum(increase(${local._metric}heartbeats{monitored_resource="gce_instance"}[15m])) or vector(0)) < 1
      EOT
    }
    # A single failed attempt is repeated; several in a row mean that no alert is delivered.
    alert-undelivered = {
      what     = "The platform cannot deliver its alerts."
      severity = "CRITICAL"
      lasts    = "0s"
      query    = <<-EOT
        sum(increase(${local._metric}alerts_undelivered{monitored_resource="gce_instance"}[15m])) > 5
        or sum(increase(${local._metric}failing_minutes{monitored_resource="gce_instance",instigator="alert_sensor"}[15m])) > 5
      EOT
    }
    database-disk = {
      what     = "The database's disk is nearly full and near its size limit."
      severity = "WARNING"
      lasts    = "900s"
      query    = <<-EOT
        max(cloudsql_googleapis_com:database_disk_utilization{monitored_resource="cloudsql_database"}) > 0.85
      EOT
    }
    # The query also finds schedules that are paused or never started.
    snapshot-missing = {
      what     = "The warehouse has no snapshot of the last 26 hours."
      severity = "ERROR"
      lasts    = "0s"
      query    = <<-EOT
        (sum(increase(bigquerydatatransfer_googleapis_com:transfer_config_completed_runs{monitored_resource="bigquery_dts_config",config_id="${local._snapshots}",completion_state="SUCCEEDED"}[26h])) or vector(0)) < 1
      EOT
    }
    # From the runs' own estimates, on the same day; the bill is later (budget.tf).
    budget = {
      what     = "The runs of one day have cost more than a tenth of the month's budget."
      severity = "WARNING"
      lasts    = "0s"
      query    = <<-EOT
        sum(increase(${local._metric}run_usd_sum{monitored_resource="gce_instance"}[1d])) > ${var.budget.monthly / 10}
      EOT
    }
  }

  _channels = concat([for channel in google_monitoring_notification_channel.email : channel.id], var.alerts.channels)
  _metric   = "logging_googleapis_com:user_stock_platform_"
  # A schedule's name ends with its ID.
  _snapshots = join("", [for schedule in google_bigquery_data_transfer_config.backup : basename(schedule.name)])
}

resource "google_monitoring_notification_channel" "email" {
  for_each     = toset(var.alerts.emails)
  display_name = "${var.prefix} ${each.key}"
  type         = "email"
  labels       = { email_address = each.key }
}

resource "google_monitoring_alert_policy" "main" {
  for_each              = { for name, alert in local.alerts : name => alert if name != "snapshot-missing" || var.backup != null }
  display_name          = each.key
  combiner              = "OR"
  severity              = each.value.severity
  notification_channels = local._channels

  conditions {
    display_name = each.value.what

    condition_prometheus_query_language {
      query               = chomp(each.value.query)
      duration            = each.value.lasts
      evaluation_interval = "60s"
      # A log-based metric does not exist before its first entry.
      disable_metric_validation = true
    }
  }

  alert_strategy {
    auto_close = "86400s"
  }

  documentation {
    subject   = "${var.prefix}: ${each.key}"
    mime_type = "text/markdown"
    content   = "${each.value.what} What to do: docs/runbooks/${each.key}.md"

    links {
      display_name = "Runbook"
      url          = "${var.repository_url}/blob/main/docs/runbooks/${each.key}.md"
    }
  }

  depends_on = [google_logging_metric.main]
}

resource "google_monitoring_dashboard" "main" {
  for_each       = fileset("${path.module}/dashboards", "*.json")
  dashboard_json = file("${path.module}/dashboards/${each.key}")

  depends_on = [google_logging_metric.main]
}
