"""Everything that knows Dagster: assets, checks, their results, and how they run."""
