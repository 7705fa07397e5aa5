"""The asset graph. Assets only orchestrate: what they call is pure or stands behind a resource."""
