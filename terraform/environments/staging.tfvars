# Like production, with a smaller database and with snapshots in its own project.
environment    = "staging"
prefix         = "acme-staging"
project_id     = "acme-prices-staging"
region         = "europe-west1"
repository_url = "https://github.com/acme/stock_platform"
operators      = ["group:data-platform@acme.example"]

alerts = {
  emails = ["data-platform@acme.example"]
}

backup = {
  project_id     = "acme-prices-staging"
  retention_days = 7
}

budget = {
  billing_account = "000000-000000-000000"
  monthly         = 150
}

database = {
  tier = "db-g1-small"
}

# As in production, so that workloads that are too large fail here first.
orchestrator = {
  machine_type = "e2-standard-2"
}
