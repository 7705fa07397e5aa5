"""Messages reach a receiver in a size that it accepts."""

import pytest

from stock_platform.orchestration.monitoring.notifications import AlertsResource

# Apprise's limit for a json:// address.
MAX_CHARS = 32_768


def test_long_message_is_cut(webhook):
    AlertsResource(url=webhook.address).deliver("local: run-failed (1)", "x" * (2 * MAX_CHARS))
    (message,) = webhook.received
    assert message["title"] == "local: run-failed (1)"
    assert MAX_CHARS // 2 < len(message["message"]) <= MAX_CHARS


def test_address_may_ask_for_parts(webhook):
    AlertsResource(url=f"{webhook.address}?overflow=split").deliver("subject", "x" * 2 * MAX_CHARS)
    assert len(webhook.received) > 1
    assert all(len(message["message"]) <= MAX_CHARS for message in webhook.received)


@pytest.mark.parametrize("url", ["", " ", "\n"])
def test_blank_address_is_none(url):
    AlertsResource(url=url).deliver("subject", "body")
