"""Companies and exchanges from the ERP's exports: each file is loaded once, in order."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import dagster as dg

from stock_platform.erp import store
from stock_platform.erp.export import COMPANIES, EXCHANGES, Export, read_export
from stock_platform.erp.ledger import LoadRecord, read_ledger
from stock_platform.erp.loader import SAMPLE_ROWS, ErpLoader, sentence
from stock_platform.erp.row_rules import company_rule, exchange_rule, listings, rules_digest
from stock_platform.erp.store import ErpSnapshot
from stock_platform.lake.paths import ErpKind, LakePaths
from stock_platform.orchestration.assets.common import OWNERS
from stock_platform.orchestration.metadata import link, rows_table
from stock_platform.orchestration.resources import LakeResource
from stock_platform.plain_text import plain_text

GROUP: Final = "raw"


def erp_assets(rejected_share: float) -> list[dg.AssetsDefinition]:
    """The two assets.

    Args:
        rejected_share: of an export's rows; with more of them rejected, the file is.
    """

    @_erp_asset("exchanges")
    def raw_erp_exchanges(
        context: dg.AssetExecutionContext, lake: LakeResource
    ) -> dg.MaterializeResult[None]:
        """Exchanges, merged from the ERP's exports."""

        def read(file: Path) -> Export:
            return read_export(file, EXCHANGES, exchange_rule, rejected_share)

        return _materialized(
            context, lake.paths, ErpLoader(context.log, lake.paths, "exchanges", read)
        )

    @_erp_asset("companies")
    def raw_erp_companies(
        context: dg.AssetExecutionContext, lake: LakeResource, raw_erp_exchanges: ErpSnapshot
    ) -> dg.MaterializeResult[None]:
        """Companies, merged from the ERP's exports: the universe of symbols.

        Every file of the landing folder is loaded once, by name and generation, in order of
        arrival. Rows that break the contract are kept with their line, reason and text; a file
        that does is rejected as a whole and changes nothing. When an exchange changes, the newest
        file is read again, because its symbols and rejected rows may change.
        """
        known = listings(raw_erp_exchanges.records.to_pylist())
        rule = company_rule(known, datetime.now(UTC).date())

        def read(file: Path) -> Export:
            return read_export(file, COMPANIES, rule, rejected_share)

        loader = ErpLoader(context.log, lake.paths, "companies", read, rules_digest(known))
        return _materialized(context, lake.paths, loader)

    return [raw_erp_exchanges, raw_erp_companies]


def _erp_asset(kind: ErpKind) -> Callable[[Any], dg.AssetsDefinition]:
    return dg.asset(
        group_name=GROUP,
        owners=OWNERS,
        kinds={"csv", "parquet"},
        io_manager_key="raw_json",
        code_version="2",
        # Two loads at once could each discard the other's records.
        pool=f"erp_{kind}",
    )


def _materialized(
    context: dg.AssetExecutionContext, paths: LakePaths, loader: ErpLoader
) -> dg.MaterializeResult[None]:
    done = []
    for load in loader.load_all():
        done.append(load)
        context.log_event(_observation(paths, loader.kind, load))
    known = store.load_if_any(paths, loader.kind)
    if known is None and not read_ledger(paths, loader.kind).records:
        raise store.NoErpFileError.of(paths, loader.kind)
    return dg.MaterializeResult(metadata=_metadata(paths, loader.kind, known, done))


def _observation(paths: LakePaths, kind: ErpKind, load: LoadRecord) -> dg.AssetObservation:
    """Build the observation of a load.

    Its summary is not a description, because the UI renders descriptions as Markdown, and file
    names and reasons contain text from outside.
    """
    quarantine = {"quarantine": link(store.quarantine_uri(paths, kind, load.key))}
    return dg.AssetObservation(
        asset_key=f"raw_erp_{kind}",
        metadata={
            "summary": sentence(load),
            "file": plain_text(load.name),
            "generation": load.generation,
            "status": load.status,
            "accepted_rows": load.accepted,
            "rejected_rows": load.rejected,
            "as_it_came": link(store.source_uri(paths, kind, load.key)),
            **({"reason": plain_text(load.reason)} if load.reason else {}),
            **(quarantine if load.rejected else {}),
            **({"rejected": rows_table(load.sample)} if load.sample else {}),
        },
    )


def _metadata(
    paths: LakePaths, kind: ErpKind, known: ErpSnapshot | None, done: list[LoadRecord]
) -> dict[str, Any]:
    loads = [
        {
            "file": load.name,
            "generation": load.generation,
            "status": load.status,
            "accepted": load.accepted,
            "rejected": load.rejected,
            "reason": load.reason,
        }
        for load in done
    ]
    shown = {"run_loads": rows_table(loads)} if loads else {}
    if known is None:
        return {"dagster/row_count": 0, **shown}
    return {
        "dagster/row_count": known.records.num_rows,
        "dagster/uri": paths.raw_erp(kind, known.load_key),
        "current_file": plain_text(known.load_key),
        "rejected_rows": len(known.rejected),
        "quarantine": link(store.quarantine_uri(paths, kind, known.load_key)),
        **shown,
        **({"rejected": rows_table(known.rejected[:SAMPLE_ROWS])} if known.rejected else {}),
    }
