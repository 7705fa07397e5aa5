"""Remedies for errors of Google Cloud, by status and message.

Belongs here: one sentence per known problem. It is appended to the service's own message, which is
always shown.
"""

import re
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class _Rule:
    statuses: tuple[int, ...]
    pattern: str
    remedy: str


# The first match counts. Statuses are HTTP's; api_core maps those of gRPC to them.
_RULES: Final = (
    _Rule(
        (400, 401, 403, 503),
        r"reauthenticat|invalid_grant|could not automatically determine credentials",
        "The credentials are invalid or have expired: run `gcloud auth application-default login` "
        "on a laptop, else attach the service account again.",
    ),
    _Rule(
        (400, 403, 500),
        r"bytes billed",
        "Request fewer sessions, or raise STOCK_PLATFORM_BIGQUERY__MAX_QUERY_BYTES.",
    ),
    _Rule(
        (404,),
        r"not found: table",
        "Materialize the asset of that name, or correct STOCK_PLATFORM_WAREHOUSE; if the table "
        "exists, its location differs from the job's.",
    ),
    _Rule(
        (400, 404, 412),
        r"different locations|in location|not found in region|location mismatch",
        "Bucket, dataset, subnetwork and batches must be in one location: compare them with "
        "STOCK_PLATFORM_REGION.",
    ),
    _Rule((403,), r"billing", "Link a billing account to the project."),
    _Rule(
        (403,),
        r"has not been used|is disabled|SERVICE_DISABLED",
        "Enable the named API in the project (`gcloud services enable`).",
    ),
    _Rule(
        (400, 403, 409, 429),
        r"insufficient '\w+' quota|\bcpus\b|disks?_|in_use_addresses",
        "A quota of Compute Engine is exhausted: lower STOCK_PLATFORM_DATAPROC__MAX_EXECUTORS, or "
        "request more under IAM & Admin > Quotas.",
    ),
    _Rule(
        (400, 403, 409, 429, 500),
        r"quota|rate ?limit|resource.?exhausted|too many",
        "A quota is exhausted: wait and run again, or request more under IAM & Admin > Quotas.",
    ),
    _Rule(
        (400, 404, 409),
        r"private google access|private ip google access",
        "Enable Private Google Access for the subnetwork of STOCK_PLATFORM_DATAPROC__SUBNETWORK.",
    ),
    _Rule((429,), "", "Google limits the rate of requests: wait and run again."),
    _Rule(
        (401, 403),
        "",
        "Grant the account that the platform runs as the named permission; "
        "`gcloud auth application-default login` selects the account on a laptop.",
    ),
    _Rule(
        (404,),
        r"dataset",
        "Create the dataset, or correct STOCK_PLATFORM_WAREHOUSE (bigquery://PROJECT/DATASET).",
    ),
    _Rule(
        (404,),
        r"bucket|/o$|\bb/",
        "Create the bucket, or correct STOCK_PLATFORM_LAKE (gs://BUCKET/PREFIX).",
    ),
    _Rule(
        (404,),
        r"/batches/",
        "The batch was deleted: run again.",
    ),
    _Rule(
        (501,),
        "",
        "Dataproc Serverless is not available in this region: correct STOCK_PLATFORM_REGION.",
    ),
    _Rule(
        (500, 502, 503, 504),
        "",
        "Google did not answer in time despite retries: run again later "
        "(status.cloud.google.com reports outages).",
    ),
)


def remedy_for(status: int | None, message: str) -> str:
    """Return what to do about an error; empty if there is no known remedy."""
    for rule in _RULES:
        if status in rule.statuses and re.search(rule.pattern, message, re.IGNORECASE):
            return rule.remedy
    return ""
