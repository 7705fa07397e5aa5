"""The data lake: paths of objects, atomic file operations, and publication.

Uses fsspec, and neither Dagster, Spark nor the warehouse.
"""
