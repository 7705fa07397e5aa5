# What is logged, counted and kept. Run with -var-file environments/NAME.tfvars.

mock_provider "google" {
  mock_data "google_project" {
    defaults = { number = "123456789012" }
  }
}

variables {
  image = "europe-west1-docker.pkg.dev/p/r/stock_platform@sha256:0000000000000000000000000000000000000000000000000000000000000000"
}

run "logs" {
  command = apply

  assert {
    condition = alltrue([
      google_logging_metric.main["ticks_failed"].filter == "resource.type=\"gce_instance\" jsonPayload.event=(\"tick_failed\")",
      google_logging_metric.main["run_usd"].filter == "resource.type=\"gce_instance\" jsonPayload.event=(\"run_succeeded\" OR \"run_failed\" OR \"run_canceled\") jsonPayload.usd>=0",
    ])
    error_message = "A filter looks for other lines than the machine's."
  }

  assert {
    condition = alltrue([
      for name, it in google_logging_metric.main :
      jsonencode([it.value_extractor, it.label_extractors, sort(it.metric_descriptor[0].labels[*].key)]) == jsonencode([
        try("EXTRACT(jsonPayload.${local.log_metrics[name].value})", null),
        { for label in local.log_metrics[name].labels : label => "EXTRACT(jsonPayload.${label})" },
        sort(local.log_metrics[name].labels),
      ])
    ])
    error_message = "A value or a label does not come from the field of its name."
  }

  assert {
    condition = alltrue([
      google_logging_project_bucket_config.default.bucket_id == "_Default",
      google_logging_project_bucket_config.default.location == "global",
      google_logging_project_bucket_config.default.retention_days == var.log_retention_days,
      var.log_retention_days >= 30,
    ])
    error_message = "Logs are gone before the month that costs nothing is over."
  }
}
