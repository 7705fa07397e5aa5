# Tables of a dataset. The input has the form of `schemas/tables.json` and BigQuery's API.

terraform {
  required_version = ">= 1.11"

  required_providers {
    google = {
      source  = "hashicorp/google"
      version = ">= 7.40, < 9"
    }
  }
}

variable "dataset" {
  description = "ID of the dataset."
  type        = string
  nullable    = false
}

variable "protected" {
  description = "Whether Terraform refuses to delete the tables."
  type        = bool
  nullable    = false
}

variable "tables" {
  description = "The tables, by name."
  type = map(object({
    clustering             = optional(object({ fields = list(string) }))
    description            = string
    requirePartitionFilter = bool
    schema                 = string
    tableConstraints = object({
      foreignKeys = optional(list(object({
        columnReferences = list(object({ referencedColumn = string, referencingColumn = string }))
        name             = string
        referencedTable  = object({ datasetId = string, projectId = string, tableId = string })
      })), [])
      primaryKey = object({ columns = list(string) })
    })
    timePartitioning = optional(object({ field = string, type = string }))
  }))
  nullable = false
}

resource "google_bigquery_table" "main" {
  # checkov:skip=CKV_GCP_80: Tables use the dataset's key.
  for_each                 = var.tables
  dataset_id               = var.dataset
  table_id                 = each.key
  description              = each.value.description
  schema                   = each.value.schema
  clustering               = try(each.value.clustering.fields, null)
  require_partition_filter = each.value.requirePartitionFilter
  deletion_protection      = var.protected

  dynamic "time_partitioning" {
    for_each = each.value.timePartitioning[*]
    content {
      type  = time_partitioning.value.type
      field = time_partitioning.value.field
    }
  }

  table_constraints {
    primary_key {
      columns = each.value.tableConstraints.primaryKey.columns
    }

    dynamic "foreign_keys" {
      for_each = each.value.tableConstraints.foreignKeys
      iterator = key
      content {
        name = key.value.name
        referenced_table {
          project_id = key.value.referencedTable.projectId
          dataset_id = key.value.referencedTable.datasetId
          table_id   = key.value.referencedTable.tableId
        }
        column_references {
          referencing_column = key.value.columnReferences[0].referencingColumn
          referenced_column  = key.value.columnReferences[0].referencedColumn
        }
      }
    }
  }
}

output "tables" {
  description = "The tables, by name."
  value       = google_bigquery_table.main
}
