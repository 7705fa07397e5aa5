# Images. Each environment has its own registry: digests are copied from staging to production, so
# that production does not depend on staging.

resource "google_artifact_registry_repository" "images" {
  # checkov:skip=CKV_GCP_84: Images contain code and no data; Google's own keys encrypt them.
  repository_id = "${var.prefix}-images"
  description   = "The platform's container images."
  location      = var.region
  format        = "DOCKER"

  # Images are used by digest. Immutable tags could not be deleted, and so no image could be. KEEP
  # overrides DELETE; an image with its attestations counts as three.
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

# Production's job copies from staging's registry with staging's planning account.
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

# It copies images and grants the machine access. Only this role can read and set access.
resource "google_artifact_registry_repository_iam_member" "ci_apply" {
  location   = google_artifact_registry_repository.images.location
  repository = google_artifact_registry_repository.images.name
  role       = "roles/artifactregistry.admin"
  member     = google_service_account.ci_apply.member
}
