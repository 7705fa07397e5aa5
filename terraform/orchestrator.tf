# Dagster's machine: webserver, daemon and code server in Docker Compose, behind Identity-Aware
# Proxy. It has no state: a new image or compose file replaces it.

locals {
  _deploy  = "${path.module}/../deploy/gcp"
  _compose = yamldecode(file("${local._deploy}/compose.yaml"))
  # Variables that `settings` must not contain.
  _written = concat(keys(local._compose.services.code.environment), keys(local._compose.secrets))
}

resource "google_compute_instance" "orchestrator" {
  name         = "${var.prefix}-orchestrator"
  machine_type = var.orchestrator.machine_type
  zone         = coalesce(var.orchestrator.zone, "${var.region}-b")

  allow_stopping_for_update = true

  boot_disk {
    kms_key_self_link = local.kms_key

    initialize_params {
      image  = "ubuntu-os-cloud/ubuntu-2404-lts-amd64"
      size   = 30
      type   = "pd-balanced"
      labels = local.labels
    }
  }

  network_interface {
    # Without access_config it has no external address.
    subnetwork = google_compute_subnetwork.orchestrator.id
  }

  shielded_instance_config {
    enable_integrity_monitoring = true
    enable_secure_boot          = true
    enable_vtpm                 = true
  }

  service_account {
    email  = google_service_account.orchestrator.email
    scopes = ["cloud-platform"]
  }

  metadata = {
    block-project-ssh-keys = "TRUE"
    enable-oslogin         = "TRUE"
    serial-port-enable     = "FALSE"
  }

  metadata_startup_script = templatefile("${local._deploy}/startup.sh.tftpl", {
    compose       = file("${local._deploy}/compose.yaml")
    dagster_yaml  = file("${local._deploy}/dagster.yaml")
    database_host = google_sql_database_instance.dagster.private_ip_address
    dataset       = google_bigquery_dataset.main.dataset_id
    deployment    = local.deployment
    image         = var.image
    kms_key       = var.cmek ? local.kms_key : ""
    prefix        = var.prefix
    project       = var.project_id
    region        = var.region
    settings      = join("\n", [for name, value in var.settings : "${name}='${value}'"])
    subnetwork    = google_compute_subnetwork.batches.id
  })

  # Used by the startup script.
  depends_on = [
    google_artifact_registry_repository_iam_member.orchestrator,
    google_compute_router_nat.orchestrator,
    google_secret_manager_secret_iam_member.orchestrator,
    google_sql_database.dagster,
  ]
}

resource "google_service_account" "orchestrator" {
  account_id   = "${var.prefix}-orchestrator"
  display_name = "Dagster's machine"
}

resource "google_project_iam_member" "orchestrator" {
  for_each = toset([
    "roles/dataproc.editor",
    "roles/logging.logWriter",
    "roles/monitoring.metricWriter",
  ])
  project = var.project_id
  role    = each.value
  member  = google_service_account.orchestrator.member
}

resource "google_service_account_iam_member" "orchestrator_ingest" {
  service_account_id = google_service_account.ingest.name
  role               = "roles/iam.serviceAccountTokenCreator"
  member             = google_service_account.orchestrator.member
}

resource "google_service_account_iam_member" "orchestrator_loader" {
  service_account_id = google_service_account.loader.name
  role               = "roles/iam.serviceAccountTokenCreator"
  member             = google_service_account.orchestrator.member
}

resource "google_service_account_iam_member" "orchestrator_spark" {
  service_account_id = google_service_account.spark.name
  role               = "roles/iam.serviceAccountUser"
  member             = google_service_account.orchestrator.member
}

resource "google_storage_bucket_iam_member" "orchestrator_code" {
  bucket = google_storage_bucket.main["code"].name
  role   = "roles/storage.objectUser"
  member = google_service_account.orchestrator.member
}

resource "google_storage_bucket_iam_member" "orchestrator_logs" {
  # Dagster checks that the bucket exists when it starts, which no role for objects allows.
  for_each = toset(["roles/storage.legacyBucketReader", "roles/storage.objectUser"])
  bucket   = google_storage_bucket.main["logs"].name
  role     = each.value
  member   = google_service_account.orchestrator.member
}

# The repository is in bootstrap/, because it must contain an image before the machine starts.
resource "google_artifact_registry_repository_iam_member" "orchestrator" {
  location   = var.region
  repository = "${var.prefix}-images"
  role       = "roles/artifactregistry.reader"
  member     = google_service_account.orchestrator.member
}

# Operators may view the project, open a tunnel, log in with sudo, and use the machine's account.
resource "google_project_iam_member" "operators" {
  for_each = {
    for grant in setproduct(
      var.operators,
      ["cloudsql.viewer", "compute.viewer", "dataproc.viewer", "logging.viewer", "monitoring.viewer"],
    ) : join(" ", grant) => { member = grant[0], role = "roles/${grant[1]}" }
  }
  project = var.project_id
  role    = each.value.role
  member  = each.value.member
}

resource "google_iap_tunnel_instance_iam_member" "operators" {
  for_each = toset(var.operators)
  instance = google_compute_instance.orchestrator.name
  zone     = google_compute_instance.orchestrator.zone
  role     = "roles/iap.tunnelResourceAccessor"
  member   = each.value

  # A replaced machine loses its grants, and keeps its name.
  lifecycle {
    replace_triggered_by = [google_compute_instance.orchestrator.instance_id]
  }
}

resource "google_compute_instance_iam_member" "operators" {
  for_each      = toset(var.operators)
  instance_name = google_compute_instance.orchestrator.name
  zone          = google_compute_instance.orchestrator.zone
  role          = "roles/compute.osAdminLogin"
  member        = each.value

  # A replaced machine loses its grants, and keeps its name.
  lifecycle {
    replace_triggered_by = [google_compute_instance.orchestrator.instance_id]
  }
}

resource "google_service_account_iam_member" "operators" {
  for_each           = toset(var.operators)
  service_account_id = google_service_account.orchestrator.name
  role               = "roles/iam.serviceAccountUser"
  member             = each.value
}
