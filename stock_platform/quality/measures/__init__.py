"""Measurements for the rules, read from the lake and the warehouse."""
