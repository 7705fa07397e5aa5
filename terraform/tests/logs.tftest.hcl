# Metrics, audit and retention of logs.

mock_provider "google" {
  mock_data "google_project" {
    defaults = { number = "123456789012" }
  }
}

run "logs" {
  command = apply

  assert {
    condition = alltrue([
      google_logging_metric.main["failing_minutes"].filter == "resource.type=\"gce_instance\" jsonPayload.event=(\"tick_failed\")",
      google_logging_metric.main["run_usd"].filter == "resource.type=\"gce_instance\" jsonPayload.event=(\"run_succeeded\" OR \"run_failed\" OR \"run_canceled\") jsonPayload.usd>=0",
    ])
    error_message = "A filter does not select the machine's events."
  }

  assert {
    condition     = alltrue([for metric in google_logging_metric.main : startswith(metric.filter, "resource.type=\"gce_instance\" ")])
    error_message = "A filter is not limited to the machine's log."
  }

  assert {
    condition = jsonencode({
      for config in [google_project_iam_audit_config.secrets, google_project_iam_audit_config.storage] :
      config.service => [for log in config.audit_log_config : [log.log_type, log.exempted_members]]
      }) == jsonencode({
      "secretmanager.googleapis.com" = [["DATA_READ", null]]
      "storage.googleapis.com"       = [["DATA_WRITE", null]]
    })
    error_message = "Writes to the lake or reads of secrets are not audited, or an account is exempted."
  }

  assert {
    condition = alltrue([
      for name, metric in google_logging_metric.main :
      jsonencode([metric.value_extractor, metric.label_extractors, sort(metric.metric_descriptor[0].labels[*].key)]) == jsonencode([
        try("EXTRACT(jsonPayload.${local.log_metrics[name].value})", null),
        { for label in local.log_metrics[name].labels : label => "EXTRACT(jsonPayload.${label})" },
        sort(local.log_metrics[name].labels),
      ])
    ])
    error_message = "A value or a label is not the field of its name."
  }

  assert {
    condition = alltrue([
      google_logging_project_bucket_config.default.bucket_id == "_Default",
      google_logging_project_bucket_config.default.location == "global",
      google_logging_project_bucket_config.default.retention_days == var.log_retention_days,
      var.log_retention_days >= 30,
    ])
    error_message = "Logs are deleted before the free month is over."
  }
}
