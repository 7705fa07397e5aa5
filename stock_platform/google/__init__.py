"""Google Cloud: credentials, and remedies for its errors."""
