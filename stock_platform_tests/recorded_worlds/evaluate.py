"""What every check says of a world, file by file.

Belongs here: measuring and judging as the checks do, and laying what they say to the files. A
rule that joins `quality.catalogue` is judged here without another line.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

import pandas as pd

from stock_platform.contracts import FACT_CORPORATE_ACTION, FACT_STOCK_PRICE
from stock_platform.limits import QualityLimits
from stock_platform.quality import catalogue
from stock_platform.quality.catalogue import Catalogue
from stock_platform.quality.checks import Measured
from stock_platform.quality.measures import lake, tables
from stock_platform.quality.measures.bars import bar_sessions
from stock_platform.quality.measures.returns import session_returns
from stock_platform.quality.rules.processed import ProcessedMeasure
from stock_platform.quality.rules.verdict import Verdict
from stock_platform_tests.recorded_worlds.world import World

COLUMNS: Final = ["file", "symbol", "session", "check", "passed", "severity", "says"]
# The parts of the facts' checks that two tables share are told apart by the table.
_ACTIONS: Final = "fact_corporate_action."


def evaluate(world: World, limits: QualityLimits | None = None) -> pd.DataFrame:
    """One row (COLUMNS) for each thing judged: passed, or failed with a severity and why.

    Rules over bars judge a symbol and session; their verdicts are exact. Rules over sessions
    judge a session, whose row has no file where it passed; where it failed there is a row for
    each symbol that the verdict's sample names, and the sample ends at ten. A failure that names
    no symbol is laid to the symbols with quarantined records, or to no file. What is said of a
    session that a symbol was not asked for (four of five, of weekly bars) says nothing of its
    file, and is left out.
    """
    limits = limits or QualityLimits()
    judged = [
        found
        for prefix, rules, measured in _stages(world, limits)
        for found in _judged(world, prefix, rules, measured, limits)
    ]
    return pd.concat(judged, ignore_index=True)[COLUMNS]


def _stages(world: World, limits: QualityLimits) -> Iterator[tuple[str, Catalogue, Measured]]:
    """Assets with their measurements: the same ones as in `quality.bindings`."""
    paths, warehouse, keys = world.paths, world.warehouse, world.sessions
    yield "", catalogue.RAW, Measured(lake.raw_sessions(paths, keys))
    bars = bar_sessions(paths, keys, limits)
    yield "", catalogue.PROCESSED, Measured(lake.processed_sessions(paths, keys, bars.bars), bars)
    prices = tables.fact_sessions(paths, warehouse, FACT_STOCK_PRICE, "stock_prices", keys)
    yield "", catalogue.PRICES, Measured(prices, session_returns(warehouse, keys))
    actions = tables.fact_sessions(
        paths, warehouse, FACT_CORPORATE_ACTION, "corporate_actions", keys
    )
    yield _ACTIONS, catalogue.ACTIONS, Measured(actions)


def _judged(
    world: World, prefix: str, rules: Catalogue, measured: Measured, limits: QualityLimits
) -> Iterator[pd.DataFrame]:
    for rule in rules.sessions:
        verdicts = {key: rule(measured.sessions[key], limits) for key in world.sessions}
        yield _of_sessions(world, f"{prefix}{rule.__name__}", measured, verdicts)
    for bar_rule in rules.bars:
        yield _of_bars(world, bar_rule, measured, limits)


def _of_bars(
    world: World, rule: Callable[..., pd.DataFrame], measured: Measured, limits: QualityLimits
) -> pd.DataFrame:
    bars = measured.bars.bars
    offenders = rule(bars, limits)
    says = offenders["Text"].str.split(": ", n=1).str[1]
    severity = offenders["Error"].map({True: "ERROR", False: "WARN"})
    judged = pd.DataFrame({"symbol": bars["Ticker"], "session": bars["Session"]})
    judged["says"] = says.reindex(bars.index).fillna("")
    judged["severity"] = severity.reindex(bars.index).fillna("")
    judged["passed"] = ~bars.index.isin(offenders.index)
    judged["file"] = judged["symbol"].map({s: it.name for s, it in world.files.items()})
    return judged.assign(check=rule.__name__)


def _of_sessions(
    world: World, check: str, measured: Measured, verdicts: dict[str, Verdict]
) -> pd.DataFrame:
    rows: list[dict[str, Any]] = []
    for session, verdict in verdicts.items():
        severity = "WARN" if verdict.tolerable else "ERROR"
        failed = {"session": session, "check": check, "passed": False, "severity": severity}
        named = list(_named(world, session, verdict, measured))
        asked = [it for it in named if session in world.asked[it[0]]]
        if verdict.passed or (named and not asked):
            rows.append({**failed, "passed": True, "severity": "", "says": ""})
        elif not named:
            rows.append({**failed, "says": verdict.says})
        for symbol, says in asked:
            file = world.files[symbol].name
            rows.append({**failed, "symbol": symbol, "file": file, "says": says or verdict.says})
    return pd.DataFrame(rows, columns=COLUMNS)


def _named(
    world: World, session: str, verdict: Verdict, measured: Measured
) -> Iterator[tuple[str, str]]:
    """Symbols that a failed verdict names, each with what it says."""
    texts = [it for it in verdict.sample if it.partition(":")[0] in world.files]
    measure = measured.sessions[session]
    if not (texts or verdict.passed) and isinstance(measure, ProcessedMeasure):
        records = measure.quarantined.items()
        texts = [f"{it.partition(':')[0]}: {reason}" for reason, found in records for it in found]
    for text in texts:
        symbol, _, says = text.partition(":")
        if symbol in world.files:
            yield symbol, says.strip()


def failures(evaluations: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """What did not pass in some worlds."""
    found = pd.concat(evaluations, ignore_index=True)
    return found[~found["passed"]]
