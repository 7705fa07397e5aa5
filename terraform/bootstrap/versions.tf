# Prerequisites of the platform. The project's owner applies them once per environment. The state is
# then copied to the bucket of the platform's state.

terraform {
  required_version = ">= 1.11"

  required_providers {
    google = {
      source  = "hashicorp/google"
      version = ">= 7.40, < 9"
    }
  }
}

provider "google" {
  project        = var.project_id
  region         = var.region
  default_labels = { app = "stock_platform" }
}
