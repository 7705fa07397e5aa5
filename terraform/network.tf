# A network without external addresses. Batches reach Google's APIs and each other. Only the
# orchestrator reaches the internet, to fetch prices.

locals {
  _batches_range      = "10.10.0.0/22"
  _orchestrator_range = "10.10.4.0/28"
  _iap_range          = "35.235.240.0/20" # Identity-Aware Proxy, from Google's documentation
}

resource "google_compute_network" "main" {
  name                    = var.prefix
  auto_create_subnetworks = false
}

resource "google_compute_subnetwork" "batches" {
  name                     = "${var.prefix}-batches"
  network                  = google_compute_network.main.id
  region                   = var.region
  ip_cidr_range            = local._batches_range
  private_ip_google_access = true

  log_config {
    aggregation_interval = "INTERVAL_10_MIN"
    flow_sampling        = 0.1
  }
}

resource "google_compute_subnetwork" "orchestrator" {
  name                     = "${var.prefix}-orchestrator"
  network                  = google_compute_network.main.id
  region                   = var.region
  ip_cidr_range            = local._orchestrator_range
  private_ip_google_access = true

  log_config {
    aggregation_interval = "INTERVAL_10_MIN"
    flow_sampling        = 0.1
  }
}

# Spark's drivers and executors use any port. The rule limits destinations too, so that they do not
# reach the database and the orchestrator.
resource "google_compute_firewall" "batches" {
  name               = "${var.prefix}-batches"
  network            = google_compute_network.main.id
  source_ranges      = [local._batches_range]
  destination_ranges = [local._batches_range]

  allow {
    protocol = "all"
  }
}

resource "google_compute_firewall" "iap_ssh" {
  name                    = "${var.prefix}-iap-ssh"
  network                 = google_compute_network.main.id
  source_ranges           = [local._iap_range]
  target_service_accounts = [google_service_account.orchestrator.email]

  allow {
    protocol = "tcp"
    ports    = ["22"]
  }

  log_config {
    metadata = "EXCLUDE_ALL_METADATA"
  }
}

resource "google_compute_router" "main" {
  name    = var.prefix
  network = google_compute_network.main.id
  region  = var.region
}

resource "google_compute_router_nat" "orchestrator" {
  name                               = "${var.prefix}-orchestrator"
  router                             = google_compute_router.main.name
  region                             = var.region
  nat_ip_allocate_option             = "AUTO_ONLY"
  source_subnetwork_ip_ranges_to_nat = "LIST_OF_SUBNETWORKS"

  subnetwork {
    name                    = google_compute_subnetwork.orchestrator.id
    source_ip_ranges_to_nat = ["ALL_IP_RANGES"]
  }

  log_config {
    enable = true
    filter = "ERRORS_ONLY"
  }
}

# Google's addresses for the database, which only this network reaches.
resource "google_compute_global_address" "services" {
  name          = "${var.prefix}-services"
  network       = google_compute_network.main.id
  purpose       = "VPC_PEERING"
  address_type  = "INTERNAL"
  prefix_length = 20
}

resource "google_service_networking_connection" "services" {
  network                 = google_compute_network.main.id
  service                 = "servicenetworking.googleapis.com"
  reserved_peering_ranges = [google_compute_global_address.services.name]
}
