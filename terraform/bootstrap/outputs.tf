output "ci_apply_account" {
  description = "Whom the job that applies becomes."
  value       = google_service_account.ci_apply.email
}

output "ci_plan_account" {
  description = "Whom the job that plans becomes."
  value       = google_service_account.ci_plan.email
}

output "ci_push_account" {
  description = "Whom the job that builds becomes."
  value       = google_service_account.ci_push.email
}

output "registry" {
  description = "Where images go: add NAME@DIGEST."
  value       = "${var.region}-docker.pkg.dev/${var.project_id}/${google_artifact_registry_repository.images.repository_id}"
}

output "state_bucket" {
  description = "What environments/*.gcs.tfbackend names."
  value       = google_storage_bucket.state.name
}

output "workload_identity_provider" {
  description = "What google-github-actions/auth asks for."
  value       = google_iam_workload_identity_pool_provider.github.name
}
