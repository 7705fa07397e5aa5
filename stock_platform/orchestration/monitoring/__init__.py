"""Log lines for machines and alerts for people.

Belongs here: reading finished runs, failed ticks and failed backfills from Dagster's storage, the
log events and alerts made from them, and the two sensors that do so every minute.
"""
