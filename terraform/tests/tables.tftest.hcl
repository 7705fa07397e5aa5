# The warehouse's tables are those of the schema files, which are written from the contracts.

mock_provider "google" {}

run "tables" {
  command = apply

  assert {
    condition = alltrue([
      toset(keys(module.tables.tables)) == toset(["asset_check_result", "dim_date", "dim_exchange", "load_log"]),
      toset(keys(module.tables_that_refer.tables)) == toset(["dim_company", "dim_company_history", "dim_trading_session"]),
      toset(keys(module.tables_that_refer_to_those.tables)) == toset(["fact_corporate_action", "fact_stock_price"]),
      toset(keys(google_bigquery_table.view)) == toset(["stock_price_adjusted"]),
    ])
    error_message = "A table is missing, or is in the wrong group."
  }

  assert {
    condition = alltrue(flatten([
      for table in local.tables : [
        for key in try(table.tableConstraints.foreignKeys, []) : local.layout[key.referencedTable.tableId].rank < table.rank
      ]
    ]))
    error_message = "A table is created before one that it references."
  }

  assert {
    condition = alltrue([
      for name, table in merge(module.tables.tables, module.tables_that_refer.tables, module.tables_that_refer_to_those.tables) :
      jsonencode({
        clustering  = coalesce(table.clustering, [])
        description = table.description
        filter      = table.require_partition_filter
        partitions  = [for by in table.time_partitioning : [by.type, by.field]]
        primary_key = table.table_constraints[0].primary_key[0].columns
        schema      = jsondecode(table.schema)
        foreign_keys = [
          for key in table.table_constraints[0].foreign_keys : [
            key.name,
            key.referenced_table[0].project_id,
            key.referenced_table[0].dataset_id,
            key.referenced_table[0].table_id,
            key.column_references[0].referencing_column,
            key.column_references[0].referenced_column,
          ]
        ]
        }) == jsonencode({
        clustering  = try(local.layout[name].clustering.fields, [])
        description = local.layout[name].description
        filter      = local.layout[name].requirePartitionFilter
        partitions  = try([[local.layout[name].timePartitioning.type, local.layout[name].timePartitioning.field]], [])
        primary_key = local.layout[name].tableConstraints.primaryKey.columns
        schema      = jsondecode(file("schemas/${name}.json"))
        foreign_keys = [
          for key in try(local.layout[name].tableConstraints.foreignKeys, []) : [
            key.name,
            var.project_id,
            "stock_platform",
            key.referencedTable.tableId,
            key.columnReferences[0].referencingColumn,
            key.columnReferences[0].referencedColumn,
          ]
        ]
      })
    ])
    error_message = "A table differs from its contract."
  }

  assert {
    condition = alltrue([
      for view in google_bigquery_table.view :
      !view.view[0].use_legacy_sql && strcontains(view.view[0].query, "`${var.project_id}`.`stock_platform`.fact_stock_price")
    ])
    error_message = "The view does not read this warehouse's tables."
  }

  assert {
    condition = alltrue([
      for schedule in google_bigquery_data_transfer_config.backup : alltrue([
        for name in keys(local.tables) : strcontains(
          schedule.params.query,
          "CREATE SNAPSHOT TABLE IF NOT EXISTS `${var.backup.project_id}.stock_platform_backup.${name}_%s` CLONE `${var.project_id}.stock_platform.${name}`"
        )
      ])
    ])
    error_message = "A table has no snapshots."
  }
}
