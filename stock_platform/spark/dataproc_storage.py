"""The Cloud Storage objects of Dataproc batches: the job's file, and the drivers' output."""

import hashlib
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

from google.api_core.exceptions import GoogleAPIError, PreconditionFailed
from google.cloud import storage
from google.cloud.storage.retry import DEFAULT_RETRY

from stock_platform.lake.paths import LakePaths
from stock_platform.spark.batch import JOB_FILE, LOG_TAIL_LINES

_LOG_TAIL_BYTES: Final = 64 * 1024


def upload_job(client: storage.Client, paths: LakePaths) -> str:
    """Upload the job's file, unless the lake has it already, and return its URI."""
    content = JOB_FILE.read_bytes()
    uri = paths.spark_code(hashlib.sha256(content).hexdigest()[:16])
    with suppress(PreconditionFailed):  # the object exists
        storage.Blob.from_uri(uri, client=client).upload_from_string(
            content, if_generation_match=0, retry=DEFAULT_RETRY
        )
    return uri


def read_driver_log(client: storage.Client, uri: str) -> Sequence[str]:
    """Return the last lines of a driver's output, or why there are none.

    Args:
        client: of Cloud Storage.
        uri: prefix of the numbered objects that Dataproc writes; may be empty.
    """
    if not uri:
        return ["(Dataproc reported no driver output)"]
    bucket, _, prefix = uri.removeprefix("gs://").partition("/")
    try:
        blobs = client.list_blobs(bucket, prefix=prefix)
        text = b""
        for blob in sorted(blobs, key=lambda blob: str(blob.name), reverse=True):
            start = max(int(blob.size or 0) - _LOG_TAIL_BYTES, 0)
            text = blob.download_as_bytes(start=start) + text
            if text.count(b"\n") >= LOG_TAIL_LINES:
                break
    # An unreadable log must not hide why the batch failed. Errors of requests are OSErrors.
    except (GoogleAPIError, OSError) as error:
        return [f"({uri} cannot be read: {error})"]
    lines = text.decode(errors="replace").splitlines()
    return lines[-LOG_TAIL_LINES:] or [f"({uri} is empty)"]
