"""The page that says how good the data is: read from the warehouse, drawn, and written as HTML.

Knows nothing of Dagster but the addresses that its links lead to.
"""
