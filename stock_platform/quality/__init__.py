"""Data quality: rules (pure), what they judge (measures), and the checks that bind them."""
