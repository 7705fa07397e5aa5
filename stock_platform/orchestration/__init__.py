"""Everything that knows Dagster."""
