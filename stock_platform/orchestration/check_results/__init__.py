"""Check results as data: from the event log of Dagster to the lake and the warehouse."""
