# Who is called, and when. Each alert has a runbook of its name in docs/runbooks/.

locals {
  # Of single log entries: at most one call an hour each, naming what failed. What Dagster tries
  # again by itself calls nobody.
  log_alerts = {
    run-failed = {
      what     = "A run has failed."
      severity = "ERROR"
      filter   = "jsonPayload.event=\"run_failed\" NOT jsonPayload.will_retry=true"
      labels   = ["job", "run_id", "error"]
    }
    check-failed = {
      what     = "A check says that data is wrong."
      severity = "ERROR"
      filter   = "jsonPayload.event=\"check_failed\" jsonPayload.check_severity=\"ERROR\""
      labels   = ["asset", "check", "partition"]
    }
    tick-failed = {
      what     = "A schedule or a sensor has failed; what it would have started has not run."
      severity = "ERROR"
      filter   = "jsonPayload.event=\"tick_failed\""
      labels   = ["instigator", "error"]
    }
    batch-failed = {
      what     = "A Spark batch has not succeeded."
      severity = "ERROR"
      filter   = "jsonPayload.event=\"batch_failed\" NOT jsonPayload.will_retry=true"
      labels   = ["run_id", "batch", "error"]
    }
  }

  # Of metrics, in PromQL. A log-based metric may belong to many kinds of resources: each query
  # must name the one.
  metric_alerts = {
    # The platform itself counts the hours, by the exchanges' calendars.
    stale-prices = {
      what     = "The oldest missing session was due more than ${var.alerts.stale_after_hours} hours ago."
      severity = "ERROR"
      lasts    = "900s"
      query    = <<-EOT
        sum(increase(${local._metric}hours_late_sum{monitored_resource="gce_instance"}[15m]))
        / sum(increase(${local._metric}hours_late_count{monitored_resource="gce_instance"}[15m]))
        > ${var.alerts.stale_after_hours}
      EOT
    }
    # A dead-man switch. Zero counts as absence too, and a metric that never was.
    heartbeat-missing = {
      what     = "Nothing was heard from the platform for a quarter of an hour: machine, daemon, code server or database."
      severity = "CRITICAL"
      lasts    = "0s"
      query    = <<-EOT
        (sum(increase(${local._metric}heartbeats{monitored_resource="gce_instance"}[15m])) or vector(0)) < 1
      EOT
    }
    database-disk = {
      what     = "The database's disk is nearly full and near the limit that it may grow to."
      severity = "WARNING"
      lasts    = "900s"
      query    = <<-EOT
        max(cloudsql_googleapis_com:database_disk_utilization{monitored_resource="cloudsql_database"}) > 0.85
      EOT
    }
    # Nothing waits for a snapshot until the day it is needed: failed, paused and never started alike.
    snapshot-missing = {
      what     = "The warehouse has no snapshot of the last 26 hours."
      severity = "ERROR"
      lasts    = "0s"
      query    = <<-EOT
        (sum(increase(bigquerydatatransfer_googleapis_com:transfer_config_completed_runs{monitored_resource="bigquery_dts_config",config_id="${local._snapshots}",completion_state="SUCCEEDED"}[26h])) or vector(0)) < 1
      EOT
    }
    # By the runs' own estimates, on the day itself; the bill's figures come later (budget.tf).
    budget = {
      what     = "The runs of one day have cost more than a tenth of the month's budget."
      severity = "WARNING"
      lasts    = "0s"
      query    = <<-EOT
        sum(increase(${local._metric}run_usd_sum{monitored_resource="gce_instance"}[1d])) > ${var.budget.monthly / 10}
      EOT
    }
  }

  alerts = {
    for name, it in merge(local.log_alerts, local.metric_alerts) : name => it
    if name != "snapshot-missing" || var.backup != null
  }
  _channels = concat([for it in google_monitoring_notification_channel.email : it.id], var.alerts.channels)
  _metric   = "logging_googleapis_com:user_stock_platform_"
  # A schedule's name ends with its ID.
  _snapshots = join("", [for it in google_bigquery_data_transfer_config.backup : basename(it.name)])
}

resource "google_monitoring_notification_channel" "email" {
  for_each     = toset(var.alerts.emails)
  display_name = "${var.prefix} ${each.key}"
  type         = "email"
  labels       = { email_address = each.key }
}

resource "google_monitoring_alert_policy" "main" {
  for_each              = local.alerts
  display_name          = each.key
  combiner              = "OR"
  severity              = each.value.severity
  notification_channels = local._channels

  conditions {
    display_name = each.value.what

    dynamic "condition_matched_log" {
      for_each = try([each.value.filter], [])
      content {
        filter           = "resource.type=\"gce_instance\" ${each.value.filter}"
        label_extractors = { for it in each.value.labels : it => "EXTRACT(jsonPayload.${it})" }
      }
    }

    dynamic "condition_prometheus_query_language" {
      for_each = try([each.value.query], [])
      content {
        query               = chomp(each.value.query)
        duration            = each.value.lasts
        evaluation_interval = "60s"
        # A log-based metric is unknown until its first entry.
        disable_metric_validation = true
      }
    }
  }

  alert_strategy {
    auto_close = "86400s"

    # Asked for with conditions on logs, refused with others.
    dynamic "notification_rate_limit" {
      for_each = can(each.value.filter) ? ["3600s"] : []
      content {
        period = notification_rate_limit.value
      }
    }
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
