"""The base class of the platform's exceptions."""


class StockPlatformError(Exception):
    """An error with a message that says what happened and what to do."""
