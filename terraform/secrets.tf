# Secrets without their contents, which are added with gcloud and read when the machine starts.

resource "google_secret_manager_secret" "main" {
  for_each            = toset(["alert-url", "database-password"])
  secret_id           = "${var.prefix}-${each.key}"
  version_destroy_ttl = "604800s" # a destroyed version can be restored for a week

  replication {
    user_managed {
      replicas {
        location = var.region

        dynamic "customer_managed_encryption" {
          for_each = var.cmek ? [local.kms_key] : []
          content {
            kms_key_name = customer_managed_encryption.value
          }
        }
      }
    }
  }
}

resource "google_secret_manager_secret_iam_member" "orchestrator" {
  for_each  = google_secret_manager_secret.main
  secret_id = each.value.id
  role      = "roles/secretmanager.secretAccessor"
  member    = google_service_account.orchestrator.member
}
