# Cheap, and may be destroyed. Replace acme with your own names.
environment    = "dev"
prefix         = "acme-dev"
project_id     = "acme-prices-dev"
region         = "europe-west1"
repository_url = "https://github.com/acme/stock_platform"
operators      = ["group:data-platform@acme.example"]

alerts = {
  emails = ["data-platform@acme.example"]
}

budget = {
  billing_account = "000000-000000-000000"
  monthly         = 100
}
