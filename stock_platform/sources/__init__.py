"""The outside world: Yahoo Finance, the bundled sample that speaks like it, and ERP files."""
