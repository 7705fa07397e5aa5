# Optional: a key of our own for all data at rest.

locals {
  # Through the grants, so that whatever uses the key waits for all of them.
  kms_key = one(distinct([for it in google_kms_crypto_key_iam_member.agent : it.crypto_key_id]))

  # Google's own accounts, which encrypt on our behalf.
  _agents = {
    bigquery = "bq-${data.google_project.this.number}@bigquery-encryption"
    compute  = "service-${data.google_project.this.number}@compute-system"
    database = "service-${data.google_project.this.number}@gcp-sa-cloud-sql"
    dataproc = "service-${data.google_project.this.number}@dataproc-accounts"
    secrets  = "service-${data.google_project.this.number}@gcp-sa-secretmanager"
    storage  = "service-${data.google_project.this.number}@gs-project-accounts"
  }
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
    # Without the key nothing that it encrypted can be read again.
    prevent_destroy = true
  }
}

resource "google_kms_crypto_key_iam_member" "agent" {
  for_each      = var.cmek ? local._agents : {}
  crypto_key_id = google_kms_crypto_key.data[0].id
  role          = "roles/cloudkms.cryptoKeyEncrypterDecrypter"
  member        = "serviceAccount:${each.value}.iam.gserviceaccount.com"
}
