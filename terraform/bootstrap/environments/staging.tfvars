billing_account = "000000-000000-000000"
prefix          = "acme-staging"
project_id      = "acme-prices-staging"
region          = "europe-west1"

state_project_id = "acme-prices-admin"

github = {
  environment = "staging"
  owner_id    = "1234567"
  repository  = "acme/stock_platform"
}
