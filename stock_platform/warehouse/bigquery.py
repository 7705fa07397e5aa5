"""The warehouse as a BigQuery dataset."""

import hashlib
import io
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property, partial
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq
from google.api_core.exceptions import Conflict, NotFound
from google.cloud import bigquery

from stock_platform.contracts import TABLES, Table
from stock_platform.contracts.renamed import RENAMED_COLUMNS
from stock_platform.contracts.versions import with_versions
from stock_platform.lake import files
from stock_platform.lake.commits import Commit
from stock_platform.settings.google import BigQuerySettings
from stock_platform.warehouse.bigquery_jobs import (
    BigQueryJobs,
    statistics,
    translate_google_errors,
    with_default_timeout,
)
from stock_platform.warehouse.bigquery_tables import (
    contract_table,
    differences,
    rename_script,
    staging_table,
)
from stock_platform.warehouse.bigquery_versions import apply_script
from stock_platform.warehouse.interface import (
    FACTS,
    Load,
    VersionLoad,
    Warehouse,
    require_all_versions,
    require_contract,
    require_migrated,
    typed_rows,
)

# Scripts have no parameters for tables; the names are the contract's and a digest.
_REPLACE: Final = """\
DECLARE replaced INT64;
BEGIN
  BEGIN TRANSACTION;
  DELETE FROM {table} WHERE {scope};
  SET replaced = @@row_count;
  INSERT INTO {table} ({columns}) SELECT {columns} FROM {staging};
  ASSERT @@row_count = @expected
    AS '{table}: the objects hold another number of rows than expected; nothing was changed';
  ASSERT (SELECT COUNT(*) FROM {table} WHERE {scope}) = @expected
    AS '{table}: the objects hold rows of what was not named; nothing was changed';
  COMMIT TRANSACTION;
EXCEPTION WHEN ERROR THEN
  ROLLBACK TRANSACTION;
  RAISE USING MESSAGE = @@error.message;
END;
SELECT replaced;
"""


class BigQueryWarehouse(Warehouse):
    """A `Warehouse` in a BigQuery dataset.

    Load jobs, which are free, fill a staging table. One transaction, which is billed for the bytes
    that it deletes and counts, moves its rows into the table.

    Args:
        client: of BigQuery.
        dataset: ``project.dataset``; it must exist, and its location is that of the jobs.
        settings: limits.
        labels: of all jobs and tables, for the cost report.
    """

    def __init__(
        self,
        client: bigquery.Client,
        dataset: str,
        settings: BigQuerySettings,
        labels: Mapping[str, str],
    ) -> None:
        self._client = with_default_timeout(client)
        self._name = bigquery.DatasetReference.from_string(dataset)
        self._settings = settings
        self._labels = labels

    def create_tables(self) -> None:
        """Create missing tables of the contracts, and update views that differ."""
        with translate_google_errors():
            present = {item.table_id for item in self._client.list_tables(self._name)}
            for table in TABLES.values():
                made = contract_table(self._name, table, self._labels)
                if table.name not in present:
                    self._client.create_table(made, exists_ok=True)
                elif table.view:
                    self._renew(made)
                elif table in FACTS or table.name in RENAMED_COLUMNS:
                    require_migrated(table, self.columns(table))

    def columns(self, table: Table) -> Sequence[str]:
        """Return the names of a table's columns, or none if the table does not exist."""
        found = self._found(table)
        return [field.name for field in found.schema] if found else ()

    def rename_columns(self, renames: Mapping[Table, Mapping[str, str]]) -> None:
        """Rename columns of tables in one job, which goes on if this process dies."""
        script = rename_script(renames)
        digest = _digest(self._name, script)
        self._jobs.transaction(f"rename-columns-{digest}", script, {})

    def recreate(self, table: Table) -> None:
        """Drop a table and create it without rows. If interrupted, the table may be missing."""
        made = contract_table(self._name, table, self._labels)
        with translate_google_errors():
            self._client.delete_table(made.reference, not_found_ok=True)
            self._client.create_table(made)

    def apply(
        self,
        loads: Iterable[VersionLoad],
        batches: Sequence[Commit],
        *,
        rebuild: bool = False,
    ) -> Mapping[str, Load]:
        """Replace fact rows by the newest versions of the batches, in one transaction.

        If an earlier process left the transaction running, wait for that one instead. The
        statistics of the first fact contain its cost.
        """
        all_loads = list(loads)
        require_all_versions(all_loads, batches)
        staged = {}
        jobs: dict[str, list[bigquery.LoadJob]] = {fact.name: [] for fact in FACTS}
        for load in all_loads:
            list(files.map_concurrently(partial(require_contract, load.table), load.uris))
            # The name of a part contains the digest of its content.
            staging, job = self._staged(
                with_versions(load.table), repr(sorted(load.uris)), list(load.uris)
            )
            staged[staging] = load
            jobs[load.table.name].append(job)
        script, parameters = apply_script(staged, batches, rebuild=rebuild)
        digest = _digest(self._name, script, parameters)
        wanted = {batch.batch_id for batch in batches}
        done = self._jobs.transaction(
            f"apply-versions-{digest}",
            script,
            parameters,
            is_complete=lambda _: not rebuild and wanted <= self.applied_batches().keys(),
        )
        with translate_google_errors():
            (counts,) = done.result()
            for staging in staged:
                self._client.delete_table(self._name.table(staging), not_found_ok=True)
        first, *_ = FACTS
        return {
            fact.name: Load(
                counts[f"{fact.name}_rows"],
                counts[f"{fact.name}_replaced"],
                statistics(jobs[fact.name], done, is_billed=fact is first),
            )
            for fact in FACTS
        }

    def replace_table(self, table: Table, rows: pa.Table) -> Load:
        """Replace all rows of a table."""
        return self._replace_rows(table, rows, table.all_rows_predicate, {})

    def replace_where(
        self, table: Table, column: str, values: Sequence[Any], rows: pa.Table
    ) -> Load:
        """Replace the rows whose column has one of the values."""
        scope = f"{column} IN UNNEST(@values)"
        return self._replace_rows(table, rows, scope, {"values": list(values)})

    def query(self, sql: str, parameters: Mapping[str, Any] | None = None) -> pa.Table:
        """Return the result of a GoogleSQL query."""
        job = self._jobs.query(sql, dict(parameters or {}))
        with translate_google_errors():
            return job.to_arrow(create_bqstorage_client=self._settings.storage_read_api)

    def contract_differences(self, table: Table) -> Sequence[str]:
        """Return one sentence per difference between a table and its contract."""
        found = self._found(table)
        return differences(found, table) if found else ["the table does not exist"]

    def _found(self, table: Table) -> bigquery.Table | None:
        with translate_google_errors():
            try:
                return self._client.get_table(self._name.table(table.name))
            except NotFound:
                return None

    @cached_property
    def _jobs(self) -> BigQueryJobs:
        with translate_google_errors():
            dataset = self._client.get_dataset(self._name)
        return BigQueryJobs(self._client, dataset, self._settings, self._labels)

    def _renew(self, view: bigquery.Table) -> None:
        found = self._client.get_table(view.reference)
        if found.view_query != view.view_query:
            self._client.update_table(view, ["view_query", "description"])

    def _replace_rows(
        self, table: Table, rows: pa.Table, scope: str, parameters: Mapping[str, Any]
    ) -> Load:
        typed = typed_rows(table, rows)
        content = io.BytesIO()
        pq.write_table(typed, content, compression="zstd")
        digest = hashlib.sha256(content.getbuffer()).hexdigest()
        staging, load = self._staged(table, f"{digest} {scope} {parameters}", content)
        columns = ", ".join(table.column_names)
        script = _REPLACE.format(table=table.name, staging=staging, columns=columns, scope=scope)
        done = self._jobs.transaction(
            staging.replace("staging", "replace", 1),
            script,
            {**parameters, "expected": typed.num_rows},
        )
        with translate_google_errors():
            ((replaced,),) = (row.values() for row in done.result())
            self._client.delete_table(self._name.table(staging), not_found_ok=True)
        return Load(typed.num_rows, int(replaced), statistics([load], done))

    def _staged(
        self, table: Table, identity: str, source: list[str] | io.BytesIO
    ) -> tuple[str, bigquery.LoadJob]:
        """Fill a staging table from objects or bytes. Return its name and the load job.

        Table and jobs are identified by the content, so that a later process continues them.
        """
        digest = _digest(self._name, table, identity)
        staging = staging_table(self._name, table, f"staging_{table.name}_{digest}")

        with translate_google_errors():
            try:
                self._client.create_table(staging)
            except Conflict:
                self._client.update_table(staging, ["expires"])

        def start(job_id: str, location: str, config: bigquery.LoadJobConfig) -> bigquery.LoadJob:
            config.source_format = bigquery.SourceFormat.PARQUET
            config.schema = staging.schema
            config.write_disposition = bigquery.WriteDisposition.WRITE_TRUNCATE
            target = staging.reference
            if isinstance(source, list):
                return self._client.load_table_from_uri(
                    source, target, job_id=job_id, location=location, job_config=config
                )
            return self._client.load_table_from_file(
                source, target, rewind=True, job_id=job_id, location=location, job_config=config
            )

        def is_complete(job: bigquery.LoadJob) -> bool:
            found = self._client.get_table(staging.reference)
            return bool(found.num_rows == job.output_rows)

        name = f"load-{table.name}-{digest}"
        return staging.table_id, self._jobs.load(name, start, is_complete)


def _digest(*parts: object) -> str:
    return hashlib.sha256(" ".join(map(str, parts)).encode()).hexdigest()[:16]
