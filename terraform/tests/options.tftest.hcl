# Optional variables, and rejected values.

mock_provider "google" {
  mock_data "google_project" {
    defaults = { number = "123456789012" }
  }
}

run "image_without_digest_is_rejected" {
  command = plan

  variables {
    image = "europe-west1-docker.pkg.dev/p/r/stock_platform:latest"
  }

  expect_failures = [var.image]
}

# Only planned, because the test could not destroy the key.
run "customer_managed_key_encrypts_everything" {
  command = plan

  override_resource {
    target          = google_kms_crypto_key.data[0]
    override_during = plan
    values          = { id = "projects/p/locations/l/keyRings/r/cryptoKeys/data" }
  }

  variables {
    cmek        = true
    dual_region = null
  }

  assert {
    condition = alltrue(concat(
      [for bucket in google_storage_bucket.main : bucket.encryption[0].default_kms_key_name == local.kms_key],
      [google_bigquery_dataset.main.default_encryption_configuration[0].kms_key_name == local.kms_key],
      [google_sql_database_instance.dagster.encryption_key_name == local.kms_key],
      [google_compute_instance.orchestrator.boot_disk[0].kms_key_self_link == local.kms_key],
      [
        for secret in google_secret_manager_secret.main :
        secret.replication[0].user_managed[0].replicas[0].customer_managed_encryption[0].kms_key_name == local.kms_key
      ],
    ))
    error_message = "A resource is not encrypted with the key."
  }

  assert {
    condition     = google_kms_crypto_key.data[0].rotation_period == "7776000s"
    error_message = "The key is not rotated."
  }
}

run "key_with_two_regions_is_rejected" {
  command = plan

  variables {
    cmek        = true
    dual_region = { location = "EU", regions = ["EUROPE-WEST1", "EUROPE-WEST4"] }
  }

  expect_failures = [var.cmek]
}

run "setting_that_terraform_writes_is_rejected" {
  command = plan

  variables {
    settings = { STOCK_PLATFORM_LAKE = "gs://elsewhere" }
  }

  expect_failures = [var.settings]
}

run "secret_as_setting_is_rejected" {
  command = plan

  variables {
    settings = { STOCK_PLATFORM_ALERT_URL = "slack://a/b/c" }
  }

  expect_failures = [var.settings]
}

run "setting_with_line_break_is_rejected" {
  command = plan

  variables {
    settings = { STOCK_PLATFORM_EXCHANGES = "XNYS\nSETTINGS\nreboot" }
  }

  expect_failures = [var.settings]
}

run "settings_reach_the_machine" {
  command = apply

  variables {
    settings = { STOCK_PLATFORM_EXCHANGES = "XETR,XPAR" }
  }

  assert {
    condition = strcontains(
      google_compute_instance.orchestrator.metadata_startup_script,
      "/settings.env\" << 'SETTINGS'\nSTOCK_PLATFORM_EXCHANGES='XETR,XPAR'\nSETTINGS\n",
    )
    error_message = "The startup script does not write the setting."
  }
}
