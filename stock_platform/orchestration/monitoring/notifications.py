"""Delivery of alerts by Apprise to the deployment's address.

The address is a secret. It is read from the environment when an alert is sent, and is in neither
Dagster's snapshots nor a log.
"""

import logging
import re
from typing import Final

import dagster as dg
from pydantic import Field

from stock_platform.errors import StockPlatformError

# A tick may take one minute, and one message may go to several addresses.
_REQUEST_TIMEOUT_S: Final = 10
# Shorter parts of an address are words such as "https" and "post".
_MIN_SECRET_CHARS: Final = 6


class DeliveryError(StockPlatformError):
    """The alert could not be delivered. The message never contains the address."""


class AlertsResource(dg.ConfigurableResource[None]):
    """The address that alerts are sent to."""

    url: str = Field(default="", description="An Apprise URL. If blank, alerts are only logged.")

    def deliver(self, subject: str, body: str) -> None:
        """Send a message.

        Raises:
            DeliveryError: An address did not accept the message.
        """
        # A secret cannot be empty, so a blank one means that there is no address.
        if not self.url.strip():
            return
        import apprise  # noqa: PLC0415 - heavy import

        # Apprise's own messages may quote the address, so only the cleaned ones are passed on.
        logging.getLogger("apprise").propagate = False
        asset = apprise.AppriseAsset(app_id="stock_platform", service_timeout=_REQUEST_TIMEOUT_S)
        with apprise.LogCapture(level=logging.WARNING, fmt="%(message)s") as log:  # type: ignore[no-untyped-call]
            services = apprise.Apprise(asset=asset)
            if not services.add(self.url):
                raise DeliveryError("STOCK_PLATFORM_ALERT_URL is not a URL that Apprise supports")
            for service in services:
                # A longer text than the service accepts would be refused on every attempt, and
                # splitting the text would send an alert for each part.
                if service.overflow_mode is apprise.OverflowMode.UPSTREAM:
                    service.overflow_mode = apprise.OverflowMode.TRUNCATE
            if not services.notify(title=subject, body=body, notify_type="failure"):
                raise DeliveryError(self._without_secrets(log.getvalue()))

    def _without_secrets(self, messages: str) -> str:
        """Remove every part of the address that could be a secret."""
        text = " ".join(messages.split())
        for part in re.split(r"[/:@?&=,\s]+", self.url):
            if len(part) >= _MIN_SECRET_CHARS:
                text = text.replace(part, "***")
        return text
