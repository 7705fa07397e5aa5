"""A batch is known by what goes into it."""

import re

import pytest

from stock_platform.lake import files
from stock_platform.orchestration.assets.processed import _batch_id

DAYS = ["2012-01-03", "2012-01-04"]


@pytest.fixture
def batch(tmp_path):
    """The id of a batch over raw bytes, of which each argument may be another."""

    def identify(lake="gs://acme-raw", symbols=("A", "B"), content=b"bytes", days=DAYS):
        uris = {day: f"{tmp_path}/{day}" for day in days}
        for uri in uris.values():
            files.write(uri, content)
        return _batch_id(lake, days, symbols, uris)

    return identify


def test_the_same_inputs_give_the_same_id_and_google_takes_it(batch):
    assert batch() == batch()
    # With a number behind it.
    assert re.fullmatch(r"[a-z0-9][a-z0-9-]{2,61}[a-z0-9]", f"{batch()}-999")


@pytest.mark.parametrize(
    "other",
    [
        {"lake": "gs://acme-staging-raw"},
        {"symbols": ("A",)},
        {"content": b"others"},
        {"days": DAYS[:1]},
    ],
    ids=lambda it: next(iter(it)),
)
def test_another_lake_universe_content_or_range_is_another_batch(batch, other):
    assert batch(**other) != batch()
