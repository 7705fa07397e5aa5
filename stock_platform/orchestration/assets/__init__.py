"""Asset definitions."""
