# Shared values. bootstrap/ enables the APIs, so nothing here waits for one.

locals {
  dataset    = "stock_platform"
  deployment = var.environment == "prod" ? "production" : "staging"
  protected  = var.environment != "dev"

  # The platform labels its batches, jobs and tables with app and deployment. The labels split the bill.
  labels = {
    app         = "stock_platform"
    deployment  = local.deployment
    environment = var.environment
  }
}

data "google_project" "this" {}
