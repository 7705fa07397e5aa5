terraform {
  required_version = ">= 1.11"

  required_providers {
    google = {
      source  = "hashicorp/google"
      version = ">= 7.40, < 9"
    }
  }

  # The rest comes from environments/*.gcs.tfbackend.
  backend "gcs" {}
}

provider "google" {
  project        = var.project_id
  region         = var.region
  default_labels = local.labels

  # Budgets are the billing account's; without these, a person's call has no project to be counted to.
  billing_project       = var.project_id
  user_project_override = true
}
