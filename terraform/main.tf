# What all files share. APIs are enabled by bootstrap/, so nothing here waits for one.

locals {
  dataset    = "stock_platform"
  deployment = var.environment == "prod" ? "production" : "staging"
  protected  = var.environment != "dev"

  # The platform puts app and deployment on its batches, jobs and tables: costs are told by them.
  labels = {
    app         = "stock_platform"
    deployment  = local.deployment
    environment = var.environment
  }
}

data "google_project" "this" {}
