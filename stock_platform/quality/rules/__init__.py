"""Pure rules: functions from a measurement and the thresholds to a result, without any I/O.

A rule's name is the name of its check. Its docstring is the description of the check: what the
check means, why it matters, and what to do about a failure.
"""
