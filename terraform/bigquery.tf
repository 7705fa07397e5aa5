# The warehouse. `make schemas` writes the schema files from the contracts. The platform creates
# missing tables from the same contracts, with the same result.

locals {
  _names = { project = var.project_id, dataset = local.dataset }
  layout = jsondecode(templatefile("${path.module}/schemas/tables.json", local._names))

  tables = {
    for name, table in local.layout :
    name => merge(table, { schema = file("${path.module}/schemas/${name}.json") })
    if table.kind == "table"
  }
  views = {
    for name, table in local.layout :
    name => merge(table, { query = chomp(templatefile("${path.module}/schemas/${name}.sql", local._names)) })
    if table.kind == "view"
  }
}

resource "google_bigquery_dataset" "main" {
  dataset_id                 = local.dataset
  description                = "Daily stock prices: star schema, adjusted view and check results."
  location                   = var.region
  max_time_travel_hours      = 168
  delete_contents_on_destroy = !local.protected

  dynamic "default_encryption_configuration" {
    for_each = var.cmek ? [local.kms_key] : []
    content {
      kms_key_name = default_encryption_configuration.value
    }
  }
}

# Three calls, because BigQuery needs a referenced table and its key before the referring table.
module "tables" {
  source    = "./modules/tables"
  dataset   = google_bigquery_dataset.main.dataset_id
  protected = local.protected
  tables    = { for name, table in local.tables : name => table if table.rank == 0 }
}

module "tables_that_refer" {
  source     = "./modules/tables"
  dataset    = google_bigquery_dataset.main.dataset_id
  protected  = local.protected
  tables     = { for name, table in local.tables : name => table if table.rank == 1 }
  depends_on = [module.tables]
}

module "tables_that_refer_to_those" {
  source     = "./modules/tables"
  dataset    = google_bigquery_dataset.main.dataset_id
  protected  = local.protected
  tables     = { for name, table in local.tables : name => table if table.rank == 2 }
  depends_on = [module.tables_that_refer]
}

resource "google_bigquery_table" "view" {
  # checkov:skip=CKV_GCP_80: A view stores nothing.
  for_each            = local.views
  dataset_id          = google_bigquery_dataset.main.dataset_id
  table_id            = each.key
  description         = each.value.description
  deletion_protection = local.protected

  view {
    query          = each.value.query
    use_legacy_sql = false
  }

  depends_on = [module.tables_that_refer_to_those]
}

# The orchestrator's account for the warehouse.
resource "google_service_account" "loader" {
  account_id   = "${var.prefix}-loader"
  display_name = "Loads and queries the warehouse for the orchestrator"
}

resource "google_bigquery_dataset_iam_member" "loader" {
  dataset_id = google_bigquery_dataset.main.dataset_id
  role       = "roles/bigquery.dataEditor"
  member     = google_service_account.loader.member
}

resource "google_project_iam_member" "loader" {
  for_each = toset(["roles/bigquery.jobUser", "roles/bigquery.readSessionUser"])
  project  = var.project_id
  role     = each.value
  member   = google_service_account.loader.member
}

resource "google_storage_bucket_iam_member" "loader_processed" {
  # According to its documentation, BigQuery also needs buckets.get.
  for_each = toset(["roles/storage.legacyBucketReader", "roles/storage.objectViewer"])
  bucket   = google_storage_bucket.main["processed"].name
  role     = each.value
  member   = google_service_account.loader.member
}
