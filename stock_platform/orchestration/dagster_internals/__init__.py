"""The only package that imports private modules of Dagster."""
