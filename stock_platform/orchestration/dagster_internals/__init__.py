"""The only place that imports Dagster's private modules.

A module here names the Dagster version that it was written for and what it works around.
"""
