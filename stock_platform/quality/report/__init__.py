"""The data quality page: failures of the data, their places and their start, as one HTML file.

Belongs here: reading the warehouse and the quarantine, and drawing the page. Runs and their
durations are in the Dagster UI, to which the page links.
"""
