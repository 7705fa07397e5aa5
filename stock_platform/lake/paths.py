"""Paths of all objects in the lake. No other module builds a lake path."""

import hashlib
from dataclasses import dataclass
from datetime import date
from typing import Final, Literal
from urllib.parse import quote

ErpKind = Literal["companies", "exchanges"]
ProcessedTable = Literal["stock_prices", "corporate_actions", "quarantine"]

ERP_KINDS: Final[tuple[ErpKind, ...]] = ("companies", "exchanges")
PROCESSED_TABLES: Final[tuple[ProcessedTable, ...]] = (
    "stock_prices",
    "corporate_actions",
    "quarantine",
)

LAYER: Final = "{layer}"
_MAX_NAME_CHARS: Final = 120


@dataclass(frozen=True)
class LakePaths:
    """Layout of the lake under a root, which is a directory or an fsspec URL.

    A ``{layer}`` in the root is replaced by ``raw`` (data from outside), ``processed`` (derived
    data) or ``code`` (the Spark job), so that each layer can have a bucket with its own permissions
    and lifecycle.

    Names from outside (files, generations, run ids) are percent-encoded, so that they cannot
    leave their folder.
    """

    root: str

    @property
    def _raw(self) -> str:
        return self.root.replace(LAYER, "raw")

    @property
    def _processed(self) -> str:
        return self.root.replace(LAYER, "processed")

    @property
    def _code(self) -> str:
        return self.root.replace(LAYER, "code")

    def landing(self, kind: ErpKind) -> str:
        """Folder into which the ERP drops CSV files. The platform never changes it."""
        return f"{self._raw}/landing/erp/{kind}"

    def raw_runs_folder(self) -> str:
        """Folder of all raw runs."""
        return f"{self._raw}/raw/stock_prices"

    def raw_run(self, name: object) -> str:
        """Folder of a raw run: its records, its responses and its manifest."""
        return f"{self.raw_runs_folder()}/run={_name(str(name))}"

    def withdrawn_raw_runs(self) -> str:
        """Folder of raw runs that a person has withdrawn, because their answers are wrong."""
        return f"{self._raw}/raw/stock_prices/withdrawn"

    def raw_prices_0_1_0(self, session: str) -> str:
        """Raw price records of a session as version 0.1.0 stored them."""
        return f"{self.raw_runs_folder()}/date={_session(session)}/prices.json.gz"

    def last_fetch_0_1_0(self, session: str) -> str:
        """Outcome per symbol of the last fetch of a session, as version 0.1.0 stored it."""
        return f"{self.raw_runs_folder()}/date={_session(session)}/_last_fetch.json"

    def raw_erp(self, kind: ErpKind, load: str) -> str:
        """Folder of one generation of an ERP file."""
        return f"{self._raw}/raw/erp/{kind}/{_name(load)}"

    def current_erp(self, kind: ErpKind) -> str:
        """Pointer to the generation whose records are in the dimensions."""
        return f"{self._raw}/raw/erp/{kind}/_current.json"

    def erp_loads(self, kind: ErpKind) -> str:
        """Folder of the ledger: one entry per processed generation of an ERP file."""
        return f"{self._raw}/raw/erp/_loads/{kind}"

    def erp_load(self, kind: ErpKind, load: str) -> str:
        """Ledger entry of one generation of an ERP file."""
        return f"{self.erp_loads(kind)}/{_name(load)}.json"

    def rejected_erp_loads(self, kind: ErpKind) -> str:
        """Folder of markers of rejected files that are still in the landing folder."""
        return f"{self._raw}/raw/erp/_rejected/{kind}"

    def rejected_erp_load(self, kind: ErpKind, load: str) -> str:
        """Marker of one rejected file: an empty object."""
        return f"{self.rejected_erp_loads(kind)}/{_name(load)}.json"

    def processed_table(self, table: ProcessedTable) -> str:
        """Folder of the parts of a processed table."""
        return f"{self._processed}/processed/{table}"

    def commits(self) -> str:
        """Folder of the log of the processed layer: one object per commit."""
        return f"{self._processed}/processed/batches"

    def journal(self) -> str:
        """Folder of the second copy of the commits, beside the raw runs."""
        return f"{self._raw}/raw/batches"

    def journal_copy(self, sequence: int) -> str:
        """Second copy of one commit."""
        return f"{self.journal()}/{sequence:08}.json"

    def commit(self, sequence: int) -> str:
        """Object of one commit."""
        return f"{self.commits()}/{sequence:08}.json"

    def processed_0_1_0(self, table: ProcessedTable, session: str) -> str:
        """Parquet object of a session of a processed table of version 0.1.0."""
        return f"{self.processed_table(table)}/date={_session(session)}/part-00000.parquet"

    def manifest_0_1_0(self, session: str) -> str:
        """Manifest of a processed session of version 0.1.0: batch and metrics."""
        return f"{self.processed_table('stock_prices')}/date={_session(session)}/_manifest.json"

    def loaded_folder_0_1_0(self, table: str) -> str:
        """Folder of everything that version 0.1.0 loaded into a fact table."""
        return f"{self._processed}/processed/loaded/{_name(table)}"

    def unfinished_load_0_1_0(self, table: str, session: str) -> str:
        """Folder of the marker of a load of version 0.1.0 that did not finish."""
        return f"{self.loaded_folder_0_1_0(table)}/_unfinished/date={_session(session)}"

    def loaded_0_1_0(self, table: str, session: str) -> str:
        """Parquet object that version 0.1.0 loaded into a fact table for one session."""
        return f"{self.loaded_folder_0_1_0(table)}/date={_session(session)}/part-00000.parquet"

    def loaded_manifest_0_1_0(self, table: str, session: str) -> str:
        """Rows and digest of the object that version 0.1.0 loaded."""
        return f"{self.loaded_folder_0_1_0(table)}/date={_session(session)}/_manifest.json"

    def check_results_folder(self) -> str:
        """Folder of the check results of all days."""
        return f"{self._processed}/processed/check_results"

    def check_results(self, day: str) -> str:
        """Parquet object with the check results of all runs created on a day, UTC."""
        return f"{self.check_results_folder()}/date={_session(day)}/part-00000.parquet"

    def quality_report(self) -> str:
        """The data quality page."""
        return f"{self._processed}/reports/quality.html"

    def spark_code(self, digest: str) -> str:
        """Code of the Spark job, by the digest of its content. Never overwritten."""
        return f"{self._code}/code/{_name(digest)}/process_stock_prices.py"

    def staging_folder(self) -> str:
        """Folder of all batches in progress."""
        return f"{self._processed}/processed/_staging"

    def staging(self, batch_id: str, attempt: str) -> str:
        """Prefix of a batch in progress. Each attempt has its own, so that files never mix."""
        return f"{self.staging_folder()}/{_name(batch_id)}/{_name(attempt)}"


def _session(key: str) -> str:
    return date.fromisoformat(key).isoformat()


def _name(text: str) -> str:
    name = quote(text, safe="")
    if len(name) > _MAX_NAME_CHARS:
        # File systems allow 255 bytes per name, including our suffixes.
        name = f"{name[:_MAX_NAME_CHARS]}-{hashlib.sha256(text.encode()).hexdigest()[:16]}"
    # quote() keeps dots, but "." and ".." would leave the folder.
    return name if name.strip(".") else name.replace(".", "%2E")
