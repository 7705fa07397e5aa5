# What must be there before the platform can be applied: applied once for each environment, by a
# person who owns the project, with a state of its own that is put beside the other afterwards.

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
