"""IO managers: store asset values as lake objects or warehouse rows, and load them downstream.

Lake assets pass references downstream, never prices. Warehouse tables load as data frames.
"""
