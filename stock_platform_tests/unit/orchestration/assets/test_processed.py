"""A batch is identified by its inputs."""

import re

import pytest

from stock_platform.lake import files
from stock_platform.orchestration.assets.processed import _batch_id

DAYS = ["2012-01-03", "2012-01-04"]


@pytest.fixture
def batch(tmp_path):
    """Compute the id of a batch, with some inputs replaced."""

    def identify(lake="gs://acme-raw", symbols=("A", "B"), content=b"bytes", days=DAYS):
        uris = {day: f"{tmp_path}/{day}" for day in days}
        for uri in uris.values():
            files.write(uri, content)
        return _batch_id(lake, days, symbols, uris)

    return identify


def test_same_inputs_give_same_valid_id(batch):
    assert batch() == batch()
    # With the longest number appended, Google accepts it.
    assert re.fullmatch(r"[a-z0-9][a-z0-9-]{2,61}[a-z0-9]", f"{batch()}-999")


@pytest.mark.parametrize(
    "other",
    [
        {"lake": "gs://acme-staging-raw"},
        {"symbols": ("A",)},
        {"content": b"others"},
        {"days": DAYS[:1]},
    ],
    ids=lambda changed: next(iter(changed)),
)
def test_each_input_changes_batch_id(batch, other):
    assert batch(**other) != batch()
