billing_account = "000000-000000-000000"
prefix          = "acme-prod"
project_id      = "acme-prices-prod"
region          = "europe-west1"

state_project_id = "acme-prices-admin"

github = {
  environment = "production"
  owner_id    = "1234567"
  repository  = "acme/stock_platform"
}

backup_project_id = "acme-prices-backup"
