"""Settings: the only package that reads the environment.

All variables have the prefix ``STOCK_PLATFORM_``; docs/reference/settings.md lists them.
"""

from stock_platform.settings.deployment import SAMPLE_END, SAMPLE_START, Settings
from stock_platform.settings.environment import SettingsError, load_settings, variable_names
from stock_platform.settings.locations import BigQueryDataset

__all__ = [
    "SAMPLE_END",
    "SAMPLE_START",
    "BigQueryDataset",
    "Settings",
    "SettingsError",
    "load_settings",
    "variable_names",
]
