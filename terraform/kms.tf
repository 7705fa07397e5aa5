# Optional: a customer-managed key for all data at rest.

locals {
  # Read from the grants, so that resources with the key wait for all grants.
  kms_key = one(distinct([for grant in google_kms_crypto_key_iam_member.agent : grant.crypto_key_id]))

  # Google's service agents, which encrypt with the key.
  _agents = {
    bigquery = one(data.google_bigquery_default_service_account.this[*].email)
    compute  = "service-${data.google_project.this.number}@compute-system.iam.gserviceaccount.com"
    database = "service-${data.google_project.this.number}@gcp-sa-cloud-sql.iam.gserviceaccount.com"
    dataproc = "service-${data.google_project.this.number}@dataproc-accounts.iam.gserviceaccount.com"
    secrets  = "service-${data.google_project.this.number}@gcp-sa-secretmanager.iam.gserviceaccount.com"
    storage  = one(data.google_storage_project_service_account.this[*].email_address)
  }
}

# Reading these two creates them. The others are created by their API, or by hand (README.md).
data "google_bigquery_default_service_account" "this" {
  count = var.cmek ? 1 : 0
}

data "google_storage_project_service_account" "this" {
  count = var.cmek ? 1 : 0
}

resource "google_kms_key_ring" "main" {
  count    = var.cmek ? 1 : 0
  name     = var.prefix
  location = var.region
}

resource "google_kms_crypto_key" "data" {
  count           = var.cmek ? 1 : 0
  name            = "data"
  key_ring        = google_kms_key_ring.main[0].id
  rotation_period = "7776000s" # 90 days

  lifecycle {
    # Without the key, the encrypted data is lost.
    prevent_destroy = true
  }
}

resource "google_kms_crypto_key_iam_member" "agent" {
  for_each      = var.cmek ? local._agents : {}
  crypto_key_id = google_kms_crypto_key.data[0].id
  role          = "roles/cloudkms.cryptoKeyEncrypterDecrypter"
  member        = "serviceAccount:${each.value}"
}
