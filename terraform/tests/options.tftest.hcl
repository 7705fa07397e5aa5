# What may be set, and what is refused. Run with -var-file environments/NAME.tfvars.

mock_provider "google" {
  mock_data "google_project" {
    defaults = { number = "123456789012" }
  }
}

variables {
  image = "europe-west1-docker.pkg.dev/p/r/stock_platform@sha256:0000000000000000000000000000000000000000000000000000000000000000"
}

run "a_tag_is_no_image" {
  command = plan

  variables {
    image = "europe-west1-docker.pkg.dev/p/r/stock_platform:latest"
  }

  expect_failures = [var.image]
}

# Planned only: a key that may not be destroyed could not be tidied away.
run "a_key_of_our_own_encrypts_everything" {
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
      [for it in google_storage_bucket.main : it.encryption[0].default_kms_key_name == local.kms_key],
      [google_bigquery_dataset.main.default_encryption_configuration[0].kms_key_name == local.kms_key],
      [google_sql_database_instance.dagster.encryption_key_name == local.kms_key],
      [google_compute_instance.orchestrator.boot_disk[0].kms_key_self_link == local.kms_key],
      [
        for it in google_secret_manager_secret.main :
        it.replication[0].user_managed[0].replicas[0].customer_managed_encryption[0].kms_key_name == local.kms_key
      ],
    ))
    error_message = "Something is not encrypted with the key."
  }

  assert {
    condition     = google_kms_crypto_key.data[0].rotation_period == "7776000s"
    error_message = "The key is not rotated."
  }
}

run "a_key_of_one_region_does_not_fit_two" {
  command = plan

  variables {
    cmek        = true
    dual_region = { location = "EU", regions = ["EUROPE-WEST1", "EUROPE-WEST4"] }
  }

  expect_failures = [var.cmek]
}

run "a_setting_that_terraform_writes_is_refused" {
  command = plan

  variables {
    settings = { STOCK_PLATFORM_LAKE = "gs://elsewhere" }
  }

  expect_failures = [var.settings]
}

run "a_secret_is_no_setting" {
  command = plan

  variables {
    settings = { STOCK_PLATFORM_ALERT_URL = "slack://a/b/c" }
  }

  expect_failures = [var.settings]
}

run "a_setting_stays_in_its_line" {
  command = plan

  variables {
    settings = { STOCK_PLATFORM_EXCHANGES = "XNYS\nSETTINGS\nreboot" }
  }

  expect_failures = [var.settings]
}

run "an_environments_own_settings_reach_the_machine" {
  command = apply

  variables {
    settings = { STOCK_PLATFORM_EXCHANGES = "XETR,XPAR" }
  }

  assert {
    condition = strcontains(
      google_compute_instance.orchestrator.metadata_startup_script,
      "/settings.env\" << 'SETTINGS'\nSTOCK_PLATFORM_EXCHANGES='XETR,XPAR'\nSETTINGS\n",
    )
    error_message = "The machine does not write the setting."
  }
}
