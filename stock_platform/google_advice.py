"""What to do about an error of Google Cloud, by its status and words.

Belongs here: one sentence for each thing that goes wrong in a deployment. The services' own words
are shown beside it, never replaced.
"""

import re
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class _Rule:
    statuses: frozenset[int]
    words: str
    advice: str


def _rule(statuses: tuple[int, ...], words: str, advice: str) -> _Rule:
    return _Rule(frozenset(statuses), words, advice)


# The first that fits counts. Statuses are HTTP's; gRPC's are mapped onto them by api_core.
_RULES: Final = (
    _rule(
        (400, 401, 403, 503),
        r"reauthenticat|invalid_grant|could not automatically determine credentials",
        "The credentials are of no use any more: `gcloud auth application-default login` on a "
        "laptop, else attach the service account again.",
    ),
    _rule(
        (400, 403, 500),
        r"bytes billed",
        "Ask for fewer sessions, or raise STOCK_PLATFORM_BIGQUERY__MAX_QUERY_BYTES.",
    ),
    _rule(
        (404,),
        r"not found: table",
        "Materialize the asset of that name, or correct STOCK_PLATFORM_WAREHOUSE; a table that is "
        "there lies in another location than the job.",
    ),
    _rule(
        (400, 404, 412),
        r"different locations|in location|not found in region|location mismatch",
        "Bucket, dataset, subnetwork and batches must lie in one location: compare them with "
        "STOCK_PLATFORM_REGION.",
    ),
    _rule((403,), r"billing", "Link a billing account to the project."),
    _rule(
        (403,),
        r"has not been used|is disabled|SERVICE_DISABLED",
        "Enable the API that is named in the project (`gcloud services enable`).",
    ),
    _rule(
        (400, 403, 409, 429),
        r"insufficient '\w+' quota|\bcpus\b|disks?_|in_use_addresses",
        "A quota of Compute Engine is used up: lower STOCK_PLATFORM_DATAPROC__MAX_EXECUTORS, or "
        "ask for more under IAM & Admin > Quotas.",
    ),
    _rule(
        (400, 403, 409, 429, 500),
        r"quota|rate ?limit|resource.?exhausted|too many",
        "A quota is used up: wait and run again, or ask for more under IAM & Admin > Quotas.",
    ),
    _rule(
        (400, 404, 409),
        r"private google access|private ip google access",
        "Switch Private Google Access on for the subnetwork of "
        "STOCK_PLATFORM_DATAPROC__SUBNETWORK.",
    ),
    _rule((429,), "", "Google asks to go slower: wait and run again."),
    _rule(
        (401, 403),
        "",
        "Grant the account that the platform runs as the permission that is named; "
        "`gcloud auth application-default login` chooses the account on a laptop.",
    ),
    _rule(
        (404,),
        r"dataset",
        "Create the dataset, or correct STOCK_PLATFORM_WAREHOUSE (bigquery://PROJECT/DATASET).",
    ),
    _rule(
        (404,),
        r"bucket|/o$|\bb/",
        "Create the bucket, or correct STOCK_PLATFORM_LAKE (gs://BUCKET/PREFIX).",
    ),
    _rule(
        (404,),
        r"/batches/",
        "Somebody has deleted the batch: run again.",
    ),
    _rule(
        (501,),
        "",
        "There is no such service there: compare STOCK_PLATFORM_REGION with Dataproc's regions.",
    ),
    _rule(
        (500, 502, 503, 504),
        "",
        "Google did not answer in time, asked again and again: run again later "
        "(status.cloud.google.com tells of outages).",
    ),
)


def advice(status: int | None, words: str) -> str:
    """What to do about an error; empty where nobody knows."""
    for rule in _RULES:
        if status in rule.statuses and re.search(rule.words, words, re.IGNORECASE):
            return rule.advice
    return ""
