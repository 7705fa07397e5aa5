"""The assets of the graph: raw, processed, dimensions, facts and quality."""
