"""The warehouse: a few verbs (port), what fulfils them (duckdb), and SQL in GoogleSQL (sql/)."""
