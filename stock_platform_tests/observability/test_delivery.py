"""A message reaches a receiver as one that it takes."""

import pytest

from stock_platform.observability.delivery import AlertsResource
from stock_platform_tests.webhook import webhook

# What Apprise says of an address of this kind.
LONGEST = 32_768


@pytest.fixture
def hook():
    with webhook() as it:
        yield it


def test_a_text_that_is_longer_than_the_receiver_takes_comes_cut_and_once(hook):
    AlertsResource(url=hook.address).deliver("local: run-failed (1)", "x" * (2 * LONGEST))
    (told,) = hook.received
    assert told["title"] == "local: run-failed (1)"
    assert LONGEST // 2 < len(told["message"]) <= LONGEST


def test_an_address_may_ask_for_parts_instead(hook):
    AlertsResource(url=f"{hook.address}?overflow=split").deliver("subject", "x" * (2 * LONGEST))
    assert len(hook.received) > 1
    assert all(len(it["message"]) <= LONGEST for it in hook.received)


@pytest.mark.parametrize("url", ["", " ", "\n"])
def test_a_blank_is_no_address(url):
    AlertsResource(url=url).deliver("subject", "body")
