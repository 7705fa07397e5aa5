"""Data quality without Dagster: pure rules, the measurements they evaluate, and the report."""
