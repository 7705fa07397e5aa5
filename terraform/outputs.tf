output "batches_subnetwork" {
  description = "Where Dataproc's batches run."
  value       = google_compute_subnetwork.batches.id
}

output "buckets" {
  description = "The buckets by what lies in them."
  value       = { for name, it in google_storage_bucket.main : name => it.url }
}

output "database" {
  description = "Cloud SQL's instance, by name."
  value       = google_sql_database_instance.dagster.name
}

output "dataset" {
  description = "The warehouse, as STOCK_PLATFORM_WAREHOUSE names it."
  value       = "bigquery://${var.project_id}/${google_bigquery_dataset.main.dataset_id}"
  depends_on  = [google_bigquery_table.view]
}

output "image" {
  description = "What the orchestrator runs."
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
  value       = [for it in google_secret_manager_secret.main : it.secret_id]
}

output "service_accounts" {
  description = "Who does what: e-mails by role."
  value = {
    ingest       = google_service_account.ingest.email
    loader       = google_service_account.loader.email
    orchestrator = google_service_account.orchestrator.email
    spark        = google_service_account.spark.email
  }
}

output "ui" {
  description = "Opens a tunnel to Dagster's UI: http://127.0.0.1:3000 while it runs."
  value = join(" ", [
    "gcloud compute ssh ${google_compute_instance.orchestrator.name}",
    "--project=${var.project_id} --zone=${google_compute_instance.orchestrator.zone}",
    "--tunnel-through-iap -- -N -L 3000:localhost:3000",
  ])
}
