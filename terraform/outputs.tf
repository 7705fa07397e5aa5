output "batches_subnetwork" {
  description = "Subnetwork of Dataproc's batches."
  value       = google_compute_subnetwork.batches.id
}

output "buckets" {
  description = "URLs of the buckets, by content."
  value       = { for name, bucket in google_storage_bucket.main : name => bucket.url }
}

output "database" {
  description = "Name of the Cloud SQL instance."
  value       = google_sql_database_instance.dagster.name
}

output "dataset" {
  description = "The warehouse, as a value of STOCK_PLATFORM_WAREHOUSE."
  value       = "bigquery://${var.project_id}/${google_bigquery_dataset.main.dataset_id}"
  depends_on  = [google_bigquery_table.view]
}

output "image" {
  description = "Image of the orchestrator."
  value       = var.image
}

output "orchestrator" {
  description = "Dagster's machine."
  value = {
    name = google_compute_instance.orchestrator.name
    zone = google_compute_instance.orchestrator.zone
  }
}

output "secrets" {
  description = "Secrets whose contents the operator adds."
  value       = [for secret in google_secret_manager_secret.main : secret.secret_id]
}

output "service_accounts" {
  description = "E-mails of the accounts, by task."
  value = {
    ingest       = google_service_account.ingest.email
    loader       = google_service_account.loader.email
    orchestrator = google_service_account.orchestrator.email
    spark        = google_service_account.spark.email
  }
}

output "ui" {
  description = "Command that opens a tunnel to Dagster's UI at http://127.0.0.1:3000."
  value = join(" ", [
    "gcloud compute ssh ${google_compute_instance.orchestrator.name}",
    "--project=${var.project_id} --zone=${google_compute_instance.orchestrator.zone}",
    "--tunnel-through-iap -- -N -L 3000:localhost:3000",
  ])
}
