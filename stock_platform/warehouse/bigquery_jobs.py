"""BigQuery jobs: bounded in cost, labelled, asked for again when told to, found after a crash.

Belongs here: how a job runs, whatever it does. What the warehouse's jobs do is in `bigquery`.
"""

import itertools
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

from stock_platform.google_advice import advice
from stock_platform.google_settings import BigQuerySettings
from stock_platform.warehouse.port import WarehouseError

# On-demand price of a TiB in US and EU, 2026-11 (cloud.google.com/bigquery/pricing).
_USD_PER_TIB: Final = 6.25
# Transactions that change one table at once are not queued: all but one are aborted.
_CONFLICT: Final = "due to concurrent update"
# Ends of jobs after which Google says to start them again.
_PASSING: Final = frozenset(
    {"backendError", "internalError", "jobInternalError", "rateLimitExceeded"}
    | {"jobBackendError", "jobRateLimitExceeded"}
)
_PATIENCE_S: Final = 600
_ANSWER_WITHIN_S: Final = 120
# bool is an int and datetime a date: first come, first served.
_TYPES: Final[tuple[tuple[type, str], ...]] = (
    (bool, "BOOL"),
    (int, "INT64"),
    (float, "FLOAT64"),
    (datetime, "TIMESTAMP"),
    (date, "DATE"),
    (str, "STRING"),
)


@contextmanager
def explained() -> Iterator[None]:
    """Turn Google's errors into the port's, with what to do about them."""
    try:
        yield
    except GoogleAPICallError as error:
        # The client appends a job's place and id, after an empty line.
        words = str(error.message).split("\n\n", maxsplit=1)[0]
        raise WarehouseError(f"BigQuery refused: {words}. {advice(error.code, words)}") from error
    except RetryError as error:
        raise WarehouseError(f"BigQuery: {error.message} {advice(503, '')}") from error
    except GoogleAuthError as error:
        raise WarehouseError(f"BigQuery: {error} {advice(401, '')}") from error


class _Deadline(HTTPAdapter):
    """Requests that are not answered in time fail, and are asked again by the client."""

    def send(self, request: PreparedRequest, **options: Any) -> Response:  # type: ignore[override] # noqa: ANN401
        options["timeout"] = options.get("timeout") or _ANSWER_WITHIN_S
        return super().send(request, **options)


def with_deadline(client: bigquery.Client) -> bigquery.Client:
    """The client, no request of which waits for ever: by default BigQuery's do (3.47)."""
    for scheme in ("https://", "http://"):
        client._http.mount(scheme, _Deadline())  # noqa: SLF001 - a timeout for each call else
    return client


class BigQueryJobs:
    """Runs jobs in a dataset's place.

    Args:
        client: of BigQuery.
        dataset: whose tables statements name without more.
        settings: bounds.
        labels: by which costs are told apart.
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
        """Ask a query whose price was asked for first.

        Raises:
            WarehouseError: it would bill more than the bound, or BigQuery refused it.
        """
        with explained():
            estimate = self._client.query(
                sql, self._query_config(parameters, dry_run=True), location=self._location
            )
            self._require_affordable(int(estimate.total_bytes_processed or 0))
            job = self._client.query(sql, self._query_config(parameters), location=self._location)
            job.result()
            return job

    def transaction(
        self, name: str, script: str, parameters: Mapping[str, Any]
    ) -> bigquery.QueryJob:
        """Run a script that may be repeated, again where another change of its table came between.

        One that an earlier process left running is waited for instead.

        Raises:
            WarehouseError: it failed; nothing of it was applied.
        """

        def start(job_id: str) -> bigquery.QueryJob:
            return self._client.query(
                script,
                self._query_config(parameters),
                job_id=job_id,
                location=self._location,
                job_retry=None,
            )

        job: bigquery.QueryJob = _patience()(self._run, name, start, lambda _: False)
        return job

    def load(
        self,
        name: str,
        start: Callable[[str, str, bigquery.LoadJobConfig], bigquery.LoadJob],
        is_whole: Callable[[bigquery.LoadJob], bool],
    ) -> bigquery.LoadJob:
        """Run a load job, or take over the one of an earlier process.

        Args:
            name: the same for the same content.
            start: starts a job of an id, in a location, with a configuration.
            is_whole: whether what an earlier job loaded is still there.

        Raises:
            WarehouseError: BigQuery refused it.
        """

        def begin(job_id: str) -> bigquery.LoadJob:
            return start(job_id, self._location, bigquery.LoadJobConfig(labels=self._labels))

        job: bigquery.LoadJob = _patience()(self._run, name, begin, is_whole)
        return job

    def _run(self, name: str, start: Callable[[str], Any], reuse: Callable[[Any], bool]) -> Any:  # noqa: ANN401 - a job of either kind
        # A job's id is never free again, so the name has the day and a number in it.
        day = datetime.now(UTC).strftime("%Y%m%d")
        with explained():
            for n in itertools.count():
                job_id = f"{name}-{day}-{n}"
                try:
                    job = start(job_id)
                except Conflict:
                    job = self._client.get_job(job_id, location=self._location)
                    if job.state == "DONE" and (job.error_result or not reuse(job)):
                        continue
                job.result()
                return job
        raise AssertionError("itertools.count() ends never")

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
                f"{self._max_bytes / 2**30:,.1f} GiB are refused. Ask for fewer sessions, or "
                "raise STOCK_PLATFORM_BIGQUERY__MAX_QUERY_BYTES"
            )


def _patience() -> Retrying:
    """Jobs that met a passing trouble, or another change of their table, are run again."""
    return Retrying(
        retry=retry_if_exception(_passes),
        stop=stop_after_delay(_PATIENCE_S),
        wait=wait_random_exponential(multiplier=1, max=30),
        reraise=True,
    )


def _passes(error: BaseException) -> bool:
    told = getattr(error.__cause__, "errors", ())
    return _CONFLICT in str(error) or any(it.get("reason") in _PASSING for it in told)


def statistics(load: bigquery.LoadJob | None, transaction: bigquery.QueryJob) -> dict[str, Any]:
    """What a load cost: load jobs are free, the transaction is billed by bytes."""
    billed = int(transaction.total_bytes_billed or 0)
    return {
        "bigquery_load_job": load.job_id if load else "none",
        "bigquery_transaction_job": transaction.job_id,
        "bigquery_bytes_billed": billed,
        "bigquery_slot_seconds": round(int(transaction.slot_millis or 0) / 1000, 3),
        "bigquery_estimated_usd": round(estimated_usd(billed), 6),
    }


def estimated_usd(billed_bytes: int) -> float:
    """What bytes cost on demand, in US dollars."""
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
