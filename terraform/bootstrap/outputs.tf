output "ci_apply_account" {
  description = "Account of the job that applies."
  value       = google_service_account.ci_apply.email
}

output "ci_plan_account" {
  description = "Account of the job that plans."
  value       = google_service_account.ci_plan.email
}

output "ci_push_account" {
  description = "Account of the job that builds."
  value       = google_service_account.ci_push.email
}

output "registry" {
  description = "Registry of the images; append NAME@DIGEST."
  value       = "${var.region}-docker.pkg.dev/${var.project_id}/${google_artifact_registry_repository.images.repository_id}"
}

output "state_bucket" {
  description = "Bucket for environments/*.gcs.tfbackend."
  value       = google_storage_bucket.state.name
}

output "workload_identity_provider" {
  description = "Argument of google-github-actions/auth."
  value       = google_iam_workload_identity_pool_provider.github.name
}
