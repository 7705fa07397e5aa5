"""Where every object of the lake lies. Nothing else in the platform spells a lake path."""

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
_LONGEST_NAME: Final = 120


@dataclass(frozen=True)
class LakePaths:
    """The lake's layout under a root, a directory or an fsspec URL.

    A ``{layer}`` in the root is ``raw`` for what came from outside, ``processed`` for what is
    made of it, and ``code`` for the Spark job: buckets of their own, where they have rights and
    lifecycles of their own.

    Names from outside (files, generations, run ids) are percent-encoded, so that none of them
    can leave its folder.
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
        """The folder into which the ERP drops CSV files; never changed by the platform."""
        return f"{self._raw}/landing/erp/{kind}"

    def raw_prices_folder(self) -> str:
        """The folder of all sessions' raw lines."""
        return f"{self._raw}/raw/stock_prices"

    def raw_prices(self, session: str) -> str:
        """One session's raw lines: gzip JSON, a line a symbol."""
        return f"{self._raw}/raw/stock_prices/date={_session(session)}/prices.json.gz"

    def last_fetch(self, session: str) -> str:
        """What each symbol's outcome was when the session was last fetched."""
        return f"{self._raw}/raw/stock_prices/date={_session(session)}/_last_fetch.json"

    def responses(self, run_id: str) -> str:
        """A run's verbatim answers: gzip JSON, a line an answer."""
        return f"{self._raw}/raw/stock_prices/responses/{_name(run_id)}/responses.json.gz"

    def raw_erp(self, kind: ErpKind, load: str) -> str:
        """The folder of one generation of an ERP file, by name and generation."""
        return f"{self._raw}/raw/erp/{kind}/{_name(load)}"

    def current_erp(self, kind: ErpKind) -> str:
        """The pointer to the generation whose facts the dimensions follow."""
        return f"{self._raw}/raw/erp/{kind}/_current.json"

    def erp_loads(self, kind: ErpKind) -> str:
        """The folder that tells what became of each generation of an ERP file."""
        return f"{self._raw}/raw/erp/_loads/{kind}"

    def erp_load(self, kind: ErpKind, load: str) -> str:
        """What became of one of them."""
        return f"{self.erp_loads(kind)}/{_name(load)}.json"

    def rejected_erp_loads(self, kind: ErpKind) -> str:
        """The folder that names the rejected files which lie in the landing folder still."""
        return f"{self._raw}/raw/erp/_rejected/{kind}"

    def rejected_erp_load(self, kind: ErpKind, load: str) -> str:
        """The name of one of them, as an empty object."""
        return f"{self.rejected_erp_loads(kind)}/{_name(load)}.json"

    def processed(self, table: ProcessedTable, session: str) -> str:
        """One session's Parquet object of a processed table."""
        return f"{self._processed}/processed/{table}/date={_session(session)}/part-00000.parquet"

    def processed_prices_folder(self) -> str:
        """The folder of all sessions' processed prices."""
        return f"{self._processed}/processed/stock_prices"

    def manifest(self, session: str) -> str:
        """What was published of a session: batch and metrics; written last."""
        return f"{self._processed}/processed/stock_prices/date={_session(session)}/_manifest.json"

    def quarantine_folder(self) -> str:
        """The folder of all sessions' quarantined records."""
        return f"{self._processed}/processed/quarantine"

    def loaded_folder(self, table: str) -> str:
        """The folder of what a fact table was given of all sessions."""
        return f"{self._processed}/processed/loaded/{_name(table)}"

    def loaded_session(self, table: str, session: str) -> str:
        """The folder of what a fact table was given of one session."""
        return f"{self.loaded_folder(table)}/date={_session(session)}"

    def loaded(self, table: str, session: str) -> str:
        """The Parquet object in it."""
        return f"{self.loaded_session(table, session)}/part-00000.parquet"

    def loaded_manifest(self, table: str, session: str) -> str:
        """What that object holds: rows and digest; written last."""
        return f"{self.loaded_session(table, session)}/_manifest.json"

    def unfinished_loads(self, table: str) -> str:
        """The folder that names the sessions of which a load began, and did not tell its end."""
        return f"{self.loaded_folder(table)}/_unfinished"

    def unfinished_load(self, table: str, session: str) -> str:
        """The name of one of them, as an empty object."""
        return f"{self.unfinished_loads(table)}/date={_session(session)}"

    def check_results_folder(self) -> str:
        """The folder of all days' verdicts."""
        return f"{self._processed}/processed/check_results"

    def check_results(self, day: str) -> str:
        """The verdicts of the runs that were created on a day, UTC, as one Parquet object."""
        return f"{self.check_results_folder()}/date={_session(day)}/part-00000.parquet"

    def quality_report(self) -> str:
        """The page that tells how good the data is."""
        return f"{self._processed}/reports/quality.html"

    def spark_code(self, digest: str) -> str:
        """The Spark job's file, by the digest of its content; never overwritten."""
        return f"{self._code}/code/{_name(digest)}/process_stock_prices.py"

    def staging(self, batch_id: str, attempt: str) -> str:
        """The prefix of a batch in flight; each attempt's own, so that no two mix files."""
        return f"{self._processed}/processed/_staging/{_name(batch_id)}/{_name(attempt)}"


def _session(key: str) -> str:
    return date.fromisoformat(key).isoformat()


def _name(text: str) -> str:
    name = quote(text, safe="")
    if len(name) > _LONGEST_NAME:
        # File systems take 255 bytes, of which others are ours.
        name = f"{name[:_LONGEST_NAME]}-{hashlib.sha256(text.encode()).hexdigest()[:16]}"
    # quote leaves dots alone, and "." and ".." are the names that leave a folder.
    return name if name.strip(".") else name.replace(".", "%2E")
