"""Delivery of alerts by Apprise to the address of the deployment.

The address is a secret: it is read from the environment when it is needed, and neither Dagster's
snapshots nor a log ever hold it.
"""

import logging
import re
from typing import Final

import dagster as dg
from pydantic import Field

# A tick of a sensor may take a minute, and has some messages to deliver.
_PATIENCE_S: Final = 10
# Shorter parts of an address are words such as "https" and "post".
_SECRET_LENGTH: Final = 6


class DeliveryError(RuntimeError):
    """An alert was not taken; says why, and not where."""


class AlertsResource(dg.ConfigurableResource[None]):
    """Where alerts go."""

    url: str = Field(default="", description="For Apprise; blank logs alerts alone.")

    def deliver(self, subject: str, body: str) -> None:
        """Deliver a message.

        Raises:
            DeliveryError: it was not taken.
        """
        # Where secrets are kept, none may be empty.
        if not self.url.strip():
            return
        import apprise  # noqa: PLC0415 - heavy import

        # It may quote the address, and what is told of it passes through here alone.
        logging.getLogger("apprise").propagate = False
        asset = apprise.AppriseAsset(app_id="stock_platform", service_timeout=_PATIENCE_S)
        with apprise.LogCapture(level=logging.WARNING, fmt="%(message)s") as log:  # type: ignore[no-untyped-call]
            services = apprise.Apprise(asset=asset)
            if not services.add(self.url):
                raise DeliveryError("STOCK_PLATFORM_ALERT_URL is no address that Apprise knows")
            for service in services:
                # A text that is longer than it takes would be refused, again and again. The subject
                # has the alert and its runbook, and a split one would call for each of its parts.
                if service.overflow_mode is apprise.OverflowMode.UPSTREAM:
                    service.overflow_mode = apprise.OverflowMode.TRUNCATE
            if not services.notify(title=subject, body=body, notify_type="failure"):
                raise DeliveryError(self._without_secrets(log.getvalue()))

    def _without_secrets(self, said: str) -> str:
        """What Apprise said, without any part of the address that could be a secret."""
        text = " ".join(said.split())
        for part in re.split(r"[/:@?&=,\s]+", self.url):
            if len(part) >= _SECRET_LENGTH:
                text = text.replace(part, "***")
        return text
