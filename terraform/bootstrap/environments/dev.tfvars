billing_account = "000000-000000-000000"
prefix          = "acme-dev"
project_id      = "acme-prices-dev"
region          = "europe-west1"

state_project_id = "acme-prices-admin"

github = {
  environment = "dev"
  owner_id    = "1234567"
  repository  = "acme/stock_platform"
}
