# Images. Each environment has its own: a digest is copied from staging to production, so that
# production depends on nothing of staging's.

resource "google_artifact_registry_repository" "images" {
  # checkov:skip=CKV_GCP_84: Images hold code and no data; Google's own keys encrypt them.
  repository_id = "${var.prefix}-images"
  description   = "The platform's container images."
  location      = var.region
  format        = "DOCKER"

  # Everything names images by digest. Tags that cannot be moved could not be deleted either, and
  # with them no image. What is kept wins over what is deleted; an image with its attestations
  # counts as three.
  cleanup_policies {
    id     = "delete-old"
    action = "DELETE"
    condition {
      older_than = "7776000s" # 90 days
    }
  }

  cleanup_policies {
    id     = "keep-recent"
    action = "KEEP"
    most_recent_versions {
      keep_count = 30
    }
  }

  depends_on = [google_project_service.main]
}

# Production's job copies from staging's registry as staging's planner.
resource "google_artifact_registry_repository_iam_member" "ci_plan" {
  location   = google_artifact_registry_repository.images.location
  repository = google_artifact_registry_repository.images.name
  role       = "roles/artifactregistry.reader"
  member     = google_service_account.ci_plan.member
}

resource "google_artifact_registry_repository_iam_member" "ci_push" {
  location   = google_artifact_registry_repository.images.location
  repository = google_artifact_registry_repository.images.name
  role       = "roles/artifactregistry.writer"
  member     = google_service_account.ci_push.member
}

# It copies, and the platform's root lets the machine pull: only this role may read and set access.
resource "google_artifact_registry_repository_iam_member" "ci_apply" {
  location   = google_artifact_registry_repository.images.location
  repository = google_artifact_registry_repository.images.name
  role       = "roles/artifactregistry.admin"
  member     = google_service_account.ci_apply.member
}
