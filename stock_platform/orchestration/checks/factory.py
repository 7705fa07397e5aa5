"""Build Dagster's asset checks from the registry."""

from collections.abc import Iterator

import dagster as dg

from stock_platform.orchestration.checks.partitioned_results import (
    check_result,
    session_check_result,
)
from stock_platform.orchestration.checks.registry import REGISTRY, AssetMeasurements, Sources
from stock_platform.orchestration.dagster_internals.check_evaluations import (
    latest_materializations,
)
from stock_platform.orchestration.resources import LakeResource, WarehouseResource
from stock_platform.settings import Settings


def build_asset_checks(
    settings: Settings, trading_days: dg.TimeWindowPartitionsDefinition
) -> list[dg.AssetChecksDefinition]:
    """Build every check of the asset graph, with the thresholds of the deployment."""
    return [
        _asset_checks(dg.AssetKey(name), measurements, settings, trading_days)
        for name, measurements in REGISTRY.items()
    ]


def checks_before_commit(
    asset: str, trading_days: dg.TimeWindowPartitionsDefinition
) -> list[dg.AssetCheckSpec]:
    """Return the checks that the step of the asset itself evaluates."""
    return _specs(dg.AssetKey(asset), REGISTRY[asset], trading_days, before_commit=True)


def _asset_checks(
    asset: dg.AssetKey,
    measurements: AssetMeasurements,
    settings: Settings,
    trading_days: dg.TimeWindowPartitionsDefinition,
) -> dg.AssetChecksDefinition:
    specs = _specs(asset, measurements, trading_days, before_commit=False)

    @dg.multi_asset_check(name=f"{asset.to_user_string()}_checks", specs=specs, can_subset=True)
    def evaluate_checks(
        context: dg.AssetCheckExecutionContext, lake: LakeResource, warehouse: WarehouseResource
    ) -> Iterator[dg.AssetCheckResult]:
        sources, limits = Sources(settings, lake.paths, warehouse.open), settings.quality
        selected = {
            check: dg.AssetCheckKey(asset, check.name)
            for check in measurements.checks
            if not check.before_commit
            and dg.AssetCheckKey(asset, check.name) in context.selected_asset_check_keys
        }
        of_asset = [check for check in selected if check.scope == "asset"]
        by_session = [check for check in selected if check.scope != "asset"]
        sessions = _run_sessions(context) if by_session else []
        if of_asset and measurements.whole:
            whole = measurements.whole(sources)
            for check in of_asset:
                yield check_result(selected[check], check.rule(whole, limits))
        if by_session and measurements.sessions:
            measurement = measurements.sessions(sources, sessions)
            evaluated = [*sessions, *measurement.bars.neighbours]
            targets = latest_materializations(context.instance, asset, evaluated)
            for check in by_session:
                yield session_check_result(
                    context,
                    selected[check],
                    check.session_results(measurement, sessions, limits),
                    targets,
                    blocking=check.blocking,
                )

    return evaluate_checks


def _specs(
    asset: dg.AssetKey,
    measurements: AssetMeasurements,
    trading_days: dg.TimeWindowPartitionsDefinition,
    *,
    before_commit: bool,
) -> list[dg.AssetCheckSpec]:
    return [
        dg.AssetCheckSpec(
            name=check.name,
            asset=asset,
            description=check.description,
            blocking=check.blocking,
            additional_deps=measurements.additional_deps,
            partitions_def=None if check.scope == "asset" else trading_days,
        )
        for check in measurements.checks
        if check.before_commit == before_commit
    ]


def _run_sessions(context: dg.AssetCheckExecutionContext) -> list[str]:
    """Return the sessions of the run.

    Raises:
        dagster.Failure: the run has no partitions, so that nothing could be evaluated.
    """
    if not (context.has_partition_key or context.has_partition_key_range):
        raise dg.Failure(
            "These checks are evaluated per session: execute them for a partition or a range of "
            "partitions, as the Materialize dialog of the asset does."
        )
    return sorted(context.partition_keys)
