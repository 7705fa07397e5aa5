"""What is told of the platform: log lines for machines, alerts for people.

Belongs here: reading what happened from Dagster's storage, the words for it, the conditions that
call somebody. When it is read and told is in `automation.monitoring`.
"""
