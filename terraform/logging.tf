# Retention of logs, audit of data access, and metrics of the platform's events.
#
# The platform writes one JSON object per line, and the Ops Agent of the orchestrator sends it as
# jsonPayload. The field `event` is one of stock_platform/orchestration/monitoring/event_names.py.

locals {
  # `failing_minutes` counts the minutes in which a sensor or schedule was found failing: one line
  # per minute reports all failed ticks since the last one.
  # Labels are fields of the event. An unbounded field, like a run's ID, must not be a label.
  log_metrics = {
    alerts             = { events = ["alert"], labels = ["alert"] }
    alerts_undelivered = { events = ["alert_undelivered"], labels = [] }
    batches_failed     = { events = ["batch_failed"], labels = [] }
    checks_failed      = { events = ["check_failed"], labels = ["asset", "check", "check_severity"] }
    failing_minutes    = { events = ["tick_failed"], labels = ["instigator"] }
    heartbeats         = { events = ["heartbeat"], labels = [] }
    hours_late         = { events = ["heartbeat"], labels = [], value = "hours_late", unit = "h" }
    rows               = { events = ["materialized"], labels = ["asset"], value = "rows", unit = "1" }
    run_seconds        = { events = local._run_ends, labels = ["job"], value = "duration_s", unit = "s" }
    run_usd            = { events = local._run_ends, labels = ["job"], value = "usd", unit = "USD" }
    runs               = { events = local._run_ends, labels = ["event", "job"] }
    runs_queued        = { events = ["heartbeat"], labels = [], value = "runs_queued", unit = "1" }
    runs_started       = { events = ["heartbeat"], labels = [], value = "runs_started", unit = "1" }
    sessions_late      = { events = ["heartbeat"], labels = [], value = "sessions_late", unit = "1" }
  }
  _run_ends = ["run_succeeded", "run_failed", "run_canceled"]
}

resource "google_logging_metric" "main" {
  for_each    = local.log_metrics
  name        = "stock_platform_${each.key}"
  description = "Metric of the events ${join(", ", each.value.events)}."
  filter = join(" ", compact([
    "resource.type=\"gce_instance\"",
    "jsonPayload.event=(${join(" OR ", formatlist("%q", each.value.events))})",
    try("jsonPayload.${each.value.value}>=0", ""),
  ]))

  label_extractors = { for label in each.value.labels : label => "EXTRACT(jsonPayload.${label})" }
  value_extractor  = try("EXTRACT(jsonPayload.${each.value.value})", null)

  metric_descriptor {
    metric_kind = "DELTA"
    value_type  = can(each.value.value) ? "DISTRIBUTION" : "INT64"
    unit        = try(each.value.unit, "1")

    dynamic "labels" {
      for_each = each.value.labels
      content {
        key        = labels.value
        value_type = "STRING"
      }
    }
  }

  # Sums and counts are exact; the buckets, ten per decade, are for percentiles.
  dynamic "bucket_options" {
    for_each = can(each.value.value) ? [1] : []
    content {
      exponential_buckets {
        num_finite_buckets = 100
        growth_factor      = 1.25
        scale              = 0.01
      }
    }
  }
}

resource "google_logging_project_bucket_config" "default" {
  project        = var.project_id
  location       = "global"
  bucket_id      = "_Default"
  retention_days = var.log_retention_days
}

# Google always logs changes of resources; these also log access to important data.
resource "google_project_iam_audit_config" "storage" {
  project = var.project_id
  service = "storage.googleapis.com"

  audit_log_config {
    log_type = "DATA_WRITE"
  }
}

resource "google_project_iam_audit_config" "secrets" {
  project = var.project_id
  service = "secretmanager.googleapis.com"

  audit_log_config {
    log_type = "DATA_READ"
  }
}
