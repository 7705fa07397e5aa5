"""BigQuery jobs: limited in cost, labelled, retried, and resumed after a crash.

Belongs here: running any job. The warehouse's own jobs are in `bigquery`.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime
from typing import Any, Final

from google.api_core.exceptions import Conflict, GoogleAPICallError, RetryError
from google.auth.exceptions import GoogleAuthError
from google.cloud import bigquery
from requests import PreparedRequest, Response
from requests.adapters import HTTPAdapter
from tenacity import Retrying, retry_if_exception, stop_after_delay, wait_random_exponential

from stock_platform.google.errors import remedy_for
from stock_platform.settings.google import BigQuerySettings
from stock_platform.warehouse.interface import WarehouseError

# On-demand price of a TiB in US and EU, 2026-11 (cloud.google.com/bigquery/pricing).
_USD_PER_TIB: Final = 6.25
# Concurrent transactions on one table are not queued: all but one are aborted.
_CONFLICT: Final = "due to concurrent update"
# Reasons of failed jobs that Google documents as retryable.
_RETRYABLE: Final = frozenset(
    {"backendError", "internalError", "jobInternalError", "rateLimitExceeded"}
    | {"jobBackendError", "jobRateLimitExceeded"}
)
_RETRY_TIMEOUT_S: Final = 600
_REQUEST_TIMEOUT_S: Final = 120
# In this order, because bool is an int and datetime a date.
_TYPES: Final[tuple[tuple[type, str], ...]] = (
    (bool, "BOOL"),
    (int, "INT64"),
    (float, "FLOAT64"),
    (datetime, "TIMESTAMP"),
    (date, "DATE"),
    (str, "STRING"),
)


@contextmanager
def translate_google_errors() -> Iterator[None]:
    """Raise Google's errors as `WarehouseError`, with a remedy."""
    try:
        yield
    except GoogleAPICallError as error:
        # The client appends a job's location and id, after an empty line.
        message = str(error.message).split("\n\n", maxsplit=1)[0]
        remedy = remedy_for(error.code, message)
        raise WarehouseError(f"BigQuery rejected it: {message}. {remedy}") from error
    except RetryError as error:
        raise WarehouseError(f"BigQuery: {error.message} {remedy_for(503, '')}") from error
    except GoogleAuthError as error:
        raise WarehouseError(f"BigQuery: {error} {remedy_for(401, '')}") from error


class _DefaultTimeout(HTTPAdapter):
    """Requests without an answer in time fail, and the client retries them."""

    def send(self, request: PreparedRequest, **options: Any) -> Response:  # type: ignore[override] # noqa: ANN401
        options["timeout"] = options.get("timeout") or _REQUEST_TIMEOUT_S
        return super().send(request, **options)


def with_default_timeout(client: bigquery.Client) -> bigquery.Client:
    """Return the client with a timeout on every request; by default (3.47) there is none."""
    for scheme in ("https://", "http://"):
        client._http.mount(scheme, _DefaultTimeout())  # noqa: SLF001 - else a timeout per call
    return client


class BigQueryJobs:
    """Runs jobs in the location of a dataset.

    Args:
        client: of BigQuery.
        dataset: default dataset of the statements.
        settings: limits.
        labels: of every job, for the cost report.
    """

    def __init__(
        self,
        client: bigquery.Client,
        dataset: bigquery.Dataset,
        settings: BigQuerySettings,
        labels: Mapping[str, str],
    ) -> None:
        self._client = client
        self._dataset = dataset.reference
        self._location = dataset.location
        self._max_bytes = settings.max_query_bytes
        self._labels = dict(labels)

    def query(self, sql: str, parameters: Mapping[str, Any]) -> bigquery.QueryJob:
        """Run a query after a dry run has estimated its cost.

        Raises:
            WarehouseError: it would bill more than the limit, or BigQuery rejected it.
        """
        with translate_google_errors():
            estimate = self._client.query(
                sql, self._query_config(parameters, dry_run=True), location=self._location
            )
            self._require_affordable(int(estimate.total_bytes_processed or 0))
            job = self._client.query(sql, self._query_config(parameters), location=self._location)
            job.result()
            return job

    def transaction(
        self,
        name: str,
        script: str,
        parameters: Mapping[str, Any],
        is_complete: Callable[[bigquery.QueryJob], bool] = lambda _: False,
    ) -> bigquery.QueryJob:
        """Run a script, again if a concurrent change of its table aborted it.

        If an earlier process left the script running, wait for that job instead.

        Args:
            name: the same for the same script and parameters.
            script: the script.
            parameters: its parameters.
            is_complete: whether the effect of an earlier job still exists. By default, the script
                runs again, so it must be idempotent.

        Raises:
            WarehouseError: it failed; no change was applied.
        """

        def start(job_id: str) -> bigquery.QueryJob:
            return self._client.query(
                script,
                self._query_config(parameters),
                job_id=job_id,
                location=self._location,
                job_retry=None,
            )

        job: bigquery.QueryJob = _retry_transient()(self._run, name, start, is_complete)
        return job

    def load(
        self,
        name: str,
        start: Callable[[str, str, bigquery.LoadJobConfig], bigquery.LoadJob],
        is_complete: Callable[[bigquery.LoadJob], bool],
    ) -> bigquery.LoadJob:
        """Run a load job, or wait for the one of an earlier process.

        Args:
            name: the same for the same content.
            start: starts a job with an id, a location and a configuration.
            is_complete: whether the rows of an earlier job still exist.

        Raises:
            WarehouseError: BigQuery rejected it.
        """

        def begin(job_id: str) -> bigquery.LoadJob:
            return start(job_id, self._location, bigquery.LoadJobConfig(labels=self._labels))

        job: bigquery.LoadJob = _retry_transient()(self._run, name, begin, is_complete)
        return job

    def _run(self, name: str, start: Callable[[str], Any], reuse: Callable[[Any], bool]) -> Any:  # noqa: ANN401 - a job of either kind
        # A job's id cannot be used again, so it contains the day and a number.
        day = datetime.now(UTC).strftime("%Y%m%d")
        number = 0
        with translate_google_errors():
            while True:
                job_id = f"{name}-{day}-{number}"
                try:
                    job = start(job_id)
                except Conflict:
                    job = self._client.get_job(job_id, location=self._location)
                    if job.state == "DONE" and (job.error_result or not reuse(job)):
                        number += 1
                        continue
                job.result()
                return job

    def _query_config(
        self,
        parameters: Mapping[str, Any],
        *,
        dry_run: bool = False,
    ) -> bigquery.QueryJobConfig:
        return bigquery.QueryJobConfig(
            default_dataset=self._dataset,
            query_parameters=[_parameter(name, value) for name, value in parameters.items()],
            labels=self._labels,
            maximum_bytes_billed=self._max_bytes,
            dry_run=dry_run,
            use_query_cache=not dry_run,
        )

    def _require_affordable(self, estimated_bytes: int) -> None:
        if estimated_bytes > self._max_bytes:
            raise WarehouseError(
                f"the query would read {estimated_bytes / 2**30:,.1f} GiB, about "
                f"${estimated_usd(estimated_bytes):,.2f}; more than "
                f"{self._max_bytes / 2**30:,.1f} GiB are rejected. Request fewer sessions, or "
                "raise STOCK_PLATFORM_BIGQUERY__MAX_QUERY_BYTES"
            )


def _retry_transient() -> Retrying:
    """Return a retry policy for jobs with a transient error or a concurrent change."""
    return Retrying(
        retry=retry_if_exception(_is_transient),
        stop=stop_after_delay(_RETRY_TIMEOUT_S),
        wait=wait_random_exponential(multiplier=1, max=30),
        reraise=True,
    )


def _is_transient(error: BaseException) -> bool:
    errors = getattr(error.__cause__, "errors", ())
    return _CONFLICT in str(error) or any(item.get("reason") in _RETRYABLE for item in errors)


def statistics(
    loads: Sequence[bigquery.LoadJob], transaction: bigquery.QueryJob, *, is_billed: bool = True
) -> dict[str, Any]:
    """Return a load's jobs and cost: load jobs are free, the transaction is billed by bytes.

    Args:
        loads: the load jobs.
        transaction: the transaction.
        is_billed: whether to return its cost, which another load may report.
    """
    jobs = {
        "bigquery_load_job": ", ".join(str(load.job_id) for load in loads) or "none",
        "bigquery_transaction_job": transaction.job_id,
    }
    if not is_billed:
        return jobs
    billed = int(transaction.total_bytes_billed or 0)
    return {
        **jobs,
        "bigquery_bytes_billed": billed,
        "bigquery_slot_seconds": round(int(transaction.slot_millis or 0) / 1000, 3),
        "bigquery_estimated_usd": round(estimated_usd(billed), 6),
    }


def estimated_usd(billed_bytes: int) -> float:
    """Return the on-demand price of bytes in US dollars."""
    return billed_bytes / 2**40 * _USD_PER_TIB


def _parameter(
    name: str,
    value: Any,  # noqa: ANN401
) -> bigquery.ScalarQueryParameter | bigquery.ArrayQueryParameter:
    if isinstance(value, Sequence) and not isinstance(value, str):
        return bigquery.ArrayQueryParameter(name, _type(value[0]) if value else "STRING", value)
    return bigquery.ScalarQueryParameter(name, _type(value), value)


def _type(value: Any) -> str:  # noqa: ANN401
    return next(name for kind, name in _TYPES if isinstance(value, kind))
