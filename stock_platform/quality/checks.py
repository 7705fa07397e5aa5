"""Checks of Dagster made of a catalogue: selected, measured, judged and recorded.

Belongs here: what is the same for every asset. Which rules an asset has is in `catalogue`, what
is measured for it in `bindings`, how a verdict is stored in `recording`.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from inspect import getdoc
from typing import Any

import dagster as dg

from stock_platform.limits import QualityLimits
from stock_platform.quality.catalogue import Catalogue
from stock_platform.quality.measures.bars import BarSessions
from stock_platform.quality.recording import latest_materializations, result, sessions_result
from stock_platform.quality.rules.bars import session_verdicts
from stock_platform.quality.rules.verdict import Verdict
from stock_platform.resources import LakeResource, WarehouseResource


@dataclass(frozen=True)
class Measured:
    """What the session and bar rules of an asset judge; a part without rules is left empty."""

    sessions: Mapping[str, Any] = field(default_factory=dict)
    bars: BarSessions | None = None


SessionsMeasure = Callable[[LakeResource, WarehouseResource, Sequence[str]], Measured]
WholeMeasure = Callable[[LakeResource, WarehouseResource], Any]


@dataclass(frozen=True)
class Measures:
    """How an asset is measured.

    Attributes:
        sessions: sessions to what their rules judge.
        whole: what the rules over the whole asset judge.
        after: assets that must be there too before anything is judged.
    """

    sessions: SessionsMeasure | None = None
    whole: WholeMeasure | None = None
    after: tuple[str, ...] = ()


@dataclass(frozen=True)
class Context:
    """A deployment's trading days and limits."""

    days: dg.TimeWindowPartitionsDefinition
    limits: QualityLimits


def asset_checks(
    deployment: Context, asset: str, rules: Catalogue, measures: Measures
) -> dg.AssetChecksDefinition:
    """The checks of an asset, which are measured together and may be selected apart."""
    key = dg.AssetKey(asset)

    @dg.multi_asset_check(
        name=f"{asset}_checks", specs=_specs(deployment, key, rules, measures), can_subset=True
    )
    def checks(
        context: dg.AssetCheckExecutionContext, lake: LakeResource, warehouse: WarehouseResource
    ) -> Iterator[dg.AssetCheckResult]:
        chosen = {it.name for it in context.selected_asset_check_keys}
        whole = [it for it in rules.whole if it.__name__ in chosen]
        by_session = bool(chosen - {it.__name__ for it in whole})
        sessions = _session_keys(context) if by_session else []
        if whole and measures.whole:
            measured = measures.whole(lake, warehouse)
            for rule in whole:
                yield result(_key(key, rule), rule(measured, deployment.limits))
        if by_session and measures.sessions:
            found = measures.sessions(lake, warehouse, sessions)
            beside = found.bars.neighbours if found.bars else ()
            targets = latest_materializations(context.instance, key, [*sessions, *beside])
            for rule, verdicts in _verdicts(rules, chosen, found, sessions, deployment.limits):
                blocking = rule in rules.blocking
                yield sessions_result(
                    context, _key(key, rule), verdicts, targets, blocking=blocking
                )

    return checks


def _verdicts(
    rules: Catalogue,
    chosen: set[str],
    measured: Measured,
    sessions: Sequence[str],
    limits: QualityLimits,
) -> Iterator[tuple[Callable[..., Any], dict[str, Verdict]]]:
    for rule in rules.sessions:
        if rule.__name__ in chosen:
            yield rule, {it: rule(measured.sessions[it], limits) for it in sessions}
    for bar_rule in rules.bars:
        if bar_rule.__name__ in chosen and measured.bars is not None:
            offenders = bar_rule(measured.bars.bars, limits)
            judged = [*sessions, *measured.bars.neighbours]
            yield bar_rule, session_verdicts(offenders, measured.bars.counts, judged)


def _specs(
    deployment: Context, asset: dg.AssetKey, rules: Catalogue, measures: Measures
) -> list[dg.AssetCheckSpec]:
    return [
        dg.AssetCheckSpec(
            name=rule.__name__,
            asset=asset,
            description=_description(rule),
            blocking=rule in rules.blocking,
            additional_deps=measures.after,
            partitions_def=None if rule in rules.whole else deployment.days,
        )
        for rule in (*rules.sessions, *rules.bars, *rules.whole)
    ]


def _description(rule: Callable[..., Any]) -> str:
    """What the rule's docstring says, with settings by the names of their variables."""
    return (getdoc(rule) or "").replace("QUALITY__", "STOCK_PLATFORM_QUALITY__")


def _key(asset: dg.AssetKey, rule: Callable[..., Any]) -> dg.AssetCheckKey:
    return dg.AssetCheckKey(asset, rule.__name__)


def _session_keys(context: dg.AssetCheckExecutionContext) -> list[str]:
    """The sessions of the run.

    Raises:
        dagster.Failure: the run names none; Dagster could not tell what was judged.
    """
    if not (context.has_partition_key or context.has_partition_key_range):
        raise dg.Failure(
            "these checks are judged session by session: execute them for a partition, or for a "
            "range of them, as the asset's Materialize dialog does"
        )
    return sorted(context.partition_keys)
