"""The warehouse: an interface, its DuckDB and BigQuery implementations, and SQL in GoogleSQL."""
