"""The data lake: paths of objects, atomic file operations, raw runs, and the log of versions.

Uses fsspec, and neither Dagster, Spark nor the warehouse.
"""
