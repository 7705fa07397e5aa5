# Protected: the lake in two regions, a month of snapshots in another project.
environment    = "prod"
prefix         = "acme-prod"
project_id     = "acme-prices-prod"
region         = "europe-west1"
repository_url = "https://github.com/acme/stock_platform"
operators      = ["group:data-platform-oncall@acme.example"]

log_retention_days = 90

alerts = {
  emails = ["data-platform-oncall@acme.example"]
}

backup = {
  project_id = "acme-prices-backup"
}

budget = {
  billing_account = "000000-000000-000000"
  monthly         = 300
}

database = {
  retained_backups = 30
  tier             = "db-custom-1-3840"
}

dual_region = {
  location = "EU"
  regions  = ["EUROPE-WEST1", "EUROPE-WEST4"]
}

orchestrator = {
  machine_type = "e2-standard-2"
}
