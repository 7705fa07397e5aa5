"""Companies and exchanges, as the ERP's exports told them: each file loaded once, in order."""

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import dagster as dg

from stock_platform.assets.common import OWNERS
from stock_platform.display import link, rows_table
from stock_platform.lake import erp_landing, raw_erp
from stock_platform.lake.erp_landing import ErpLoad, Landed
from stock_platform.lake.paths import ErpKind, LakePaths
from stock_platform.lake.raw_erp import ErpFacts
from stock_platform.resources import LakeResource
from stock_platform.sources.erp import (
    COMPANIES,
    EXCHANGES,
    Export,
    read_export,
)
from stock_platform.sources.erp_history import learn
from stock_platform.sources.erp_rows import company_rule, exchange_rule, listings
from stock_platform.sources.erp_text import ErpFileError

GROUP: Final = "raw"
_CONTRACTS: Final = {"companies": COMPANIES, "exchanges": EXCHANGES}
_SAMPLE: Final = 20


def erp_assets(rejected_share: float) -> list[dg.AssetsDefinition]:
    """The two assets.

    Args:
        rejected_share: of an export's rows; with more of them rejected, the file is.
    """

    @_erp_asset("exchanges")
    def raw_erp_exchanges(
        context: dg.AssetExecutionContext, lake: LakeResource
    ) -> dg.MaterializeResult[None]:
        """Exchanges, as the ERP's exports told them one after another."""
        loader = _Loader(
            context,
            lake.paths,
            "exchanges",
            lambda file: read_export(file, EXCHANGES, exchange_rule, rejected_share),
        )
        return loader.run()

    @_erp_asset("companies")
    def raw_erp_companies(
        context: dg.AssetExecutionContext, lake: LakeResource, raw_erp_exchanges: ErpFacts
    ) -> dg.MaterializeResult[None]:
        """Companies, as the ERP's exports told them one after another: the universe of symbols.

        Every file of the landing folder is loaded once, by name and generation, in order of
        arrival. Rows that break the contract are kept with their line, reason and text; a file
        that does is rejected whole and changes nothing.
        """
        rule = company_rule(listings(raw_erp_exchanges.facts.to_pylist()), _today())
        loader = _Loader(
            context,
            lake.paths,
            "companies",
            lambda file: read_export(file, COMPANIES, rule, rejected_share),
        )
        return loader.run()

    return [raw_erp_exchanges, raw_erp_companies]


def _erp_asset(kind: ErpKind) -> Callable[[Any], dg.AssetsDefinition]:
    return dg.asset(
        group_name=GROUP,
        owners=OWNERS,
        kinds={"csv", "parquet"},
        io_manager_key="raw_json",
        code_version="2",
        # Two loads at once could each forget what the other learned.
        pool=f"erp_{kind}",
    )


@dataclass(frozen=True)
class _Loader:
    """Loads what is pending of a kind, file by file."""

    context: dg.AssetExecutionContext
    paths: LakePaths
    kind: ErpKind
    read: Callable[[Path], Export]

    def run(self) -> dg.MaterializeResult[None]:
        """Load all that is pending.

        Raises:
            NoErpFileError: no file of the kind was ever loaded, and none can be.
        """
        done = []
        while waiting := erp_landing.pending(self.paths, self.kind):
            self._wait_until_settled(waiting[0])
            with TemporaryDirectory() as folder:
                local = Path(folder) / "erp"
                sha256 = self._fetch(waiting[0], local)
                if sha256:
                    done.append(self._load(waiting[0], local, sha256))
        known = raw_erp.load(self.paths, self.kind)
        return dg.MaterializeResult(metadata=_metadata(self.paths, known, done))

    def _wait_until_settled(self, file: Landed) -> None:
        seconds = (file.settles_at - datetime.now(UTC)).total_seconds()
        if seconds > 0:
            self.context.log.info(f"{file.name} was written just now; waiting for it to be whole")
            time.sleep(seconds)

    def _fetch(self, file: Landed, local: Path) -> str | None:
        """The SHA-256 of a file; None if it was overwritten or deleted meanwhile."""
        with suppress(FileNotFoundError):
            sha256 = erp_landing.fetch(file, local)
            if file in erp_landing.landed(self.paths, self.kind):
                return sha256
        return None

    def _load(self, file: Landed, local: Path, sha256: str) -> ErpLoad:
        """Load a file, or reject it; it is remembered last, when all else is in place."""
        kept = raw_erp.keep_file(self.paths, self.kind, file.key, local)
        load = ErpLoad(file.name, file.generation, sha256, file.arrived_at, datetime.now(UTC))
        if not self._same_bytes_before(load):
            load = self._judge(load, local)
        erp_landing.record(self.paths, self.kind, load)
        self.context.log_event(_observation(self.paths, self.kind, load, kept))
        return load

    def _same_bytes_before(self, load: ErpLoad) -> bool:
        earlier = [it for it in erp_landing.loads(self.paths, self.kind) if it.name == load.name]
        return bool(earlier) and (earlier[-1].sha256, earlier[-1].refused) == (load.sha256, False)

    def _judge(self, load: ErpLoad, local: Path) -> ErpLoad:
        try:
            export = self.read(local)
        except ErpFileError as error:
            sentence = f"{load.name} was rejected, nothing of it is used: {error}"
            self.context.log.error(sentence)  # noqa: TRY400 - the sentence says all
            return replace(load, status="rejected", reason=str(error))
        known = raw_erp.load_if_any(self.paths, self.kind)
        before = known.facts if known else None
        facts = learn(before, export, _CONTRACTS[self.kind], load.name, load.loaded_at)
        rejected = export.rejected.to_pylist()
        raw_erp.save(self.paths, ErpFacts(self.kind, load.key, facts, rejected))
        return replace(
            load,
            status="loaded",
            accepted=export.accepted.num_rows,
            rejected=len(rejected),
            sample=rejected[:_SAMPLE],
        )


def _observation(paths: LakePaths, kind: ErpKind, load: ErpLoad, kept: str) -> dg.AssetObservation:
    """A load as the asset's events show it."""
    return dg.AssetObservation(
        asset_key=f"raw_erp_{kind}",
        description=_sentence(load),
        metadata={
            "file": load.name,
            "generation": load.generation,
            "status": load.status,
            "accepted_rows": load.accepted,
            "rejected_rows": load.rejected,
            "as_it_came": link(kept),
            **({"reason": load.reason} if load.reason else {}),
            **(
                {"quarantine": link(raw_erp.quarantine(paths, kind, load.key))}
                if load.rejected
                else {}
            ),
            **({"rejected": rows_table(load.sample)} if load.sample else {}),
        },
    )


def _sentence(load: ErpLoad) -> str:
    if load.status == "rejected":
        return f"{load.name} was rejected: {load.reason}"
    if load.status == "unchanged":
        return f"{load.name} holds the same bytes as before"
    return f"{load.name}: {load.accepted:,} rows accepted, {load.rejected:,} rejected"


def _metadata(paths: LakePaths, known: ErpFacts, done: list[ErpLoad]) -> dict[str, Any]:
    loads = [
        {
            "file": it.name,
            "generation": it.generation,
            "status": it.status,
            "accepted": it.accepted,
            "rejected": it.rejected,
            "reason": it.reason,
        }
        for it in done
    ]
    return {
        "dagster/row_count": known.facts.num_rows,
        "dagster/uri": paths.raw_erp(known.kind, known.load),
        "current_file": known.load,
        "rejected_rows": len(known.rejected),
        "quarantine": link(raw_erp.quarantine(paths, known.kind, known.load)),
        **({"run_loads": rows_table(loads)} if loads else {}),
        **({"rejected": rows_table(known.rejected[:_SAMPLE])} if known.rejected else {}),
    }


def _today() -> date:
    return datetime.now(UTC).date()
