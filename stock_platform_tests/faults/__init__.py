"""Systematic faults: killed processes, races and damaged objects, on the whole platform."""
