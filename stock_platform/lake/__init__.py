"""The lake: where objects lie (paths), how they are written (files) and published.

Knows fsspec and nothing of Dagster, Spark or the warehouse.
"""
