"""Market data: the Yahoo Finance client, the bundled sample, and raw price records."""
