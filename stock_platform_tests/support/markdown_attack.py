"""An attacker's text: if Dagster's UI rendered it as Markdown, it would delete an asset's events.

The image's address is a mutation, which Dagster's webserver executes for a GET request.
"""

import csv
import io
from urllib.parse import quote

from stock_platform_tests.support.erp_exports import HEADER
from stock_platform_tests.support.platform_fixture import SAMPLE_COMPANIES, SAMPLE_ERP, Platform

VICTIM = "dim_date"
_ASSET = f'{{assetKey:{{path:["{VICTIM}"]}}}}'
_MUTATION = f"mutation{{wipeAssets(assetPartitionRanges:[{_ASSET}]){{__typename}}}}"
IMAGE = f"![x](/graphql?query={quote(_MUTATION)})"
# A bidirectional override, a terminal control sequence and a column separator.
DISGUISED = "\u202e\x9b31m|.cnI"


def drop_attack(platform: Platform) -> None:
    """Drop ERP files with the image and a disguised text wherever a sender controls text.

    That is in accepted and rejected rows, and in the header and name of a rejected file.
    """
    platform.drop("exchanges", "exchanges.csv", (SAMPLE_ERP / "exchanges.csv").read_bytes())
    apple, facebook, google, *others = csv.reader(SAMPLE_COMPANIES)
    rows = [
        [*apple[:2], IMAGE, *apple[3:]],
        [*facebook[:2], DISGUISED, IMAGE, *facebook[4:]],
        [*google[:2], DISGUISED, *google[3:]],
        *others,
    ]
    platform.drop("companies", "companies.csv", _csv(rows))
    name = f"{IMAGE.replace('/', '')}{DISGUISED}.csv"
    platform.drop("companies", name, f"{IMAGE}{DISGUISED}\n")


def _csv(rows: list[list[str]]) -> str:
    content = io.StringIO()
    content.write(f"{HEADER}\n")
    csv.writer(content, lineterminator="\n").writerows(rows)
    return content.getvalue()
