"""The Spark job: compares raw price records with the processed versions, and writes what changed.

    process_stock_prices.py --request URI --output STAGING_URI

One self-contained file that needs only pyspark and the standard library, because it is uploaded
alone to Dataproc Serverless (runtime 2.3: Spark 3.5, Python 3.11). The same file runs on classic
local Spark and, over Spark Connect, on Sail. Belongs here: the processing of a record. Which
sessions to process, the layout of the lake and the rating of the counts belong to the orchestrator.

`request.json` has the fields of `Request`. The job writes under STAGING_URI, in this order:
`text/`, the lines by month; `lines/`, their classification; and `compared/`, the result of the
comparison (all scratch, so that nothing is computed twice: `cache()` has no effect on Sail);
`stock_prices/`, `corporate_actions/` and `quarantine/`, each with one sorted file per year with a
change in `year=YYYY/`; and `metrics.json/`, a folder with one text file of one line. A batch with
metrics is complete.

1. Every non-blank line of a session ends in exactly one place, so for each session `lines_read ==
   valid + sum(quarantined) + sum(without_bar) + sum(superseded)`. A line that breaks an identity
   rule is quarantined; else superseded, if `choose_runs` chooses another run; else as its own
   content says. The reason of a rejected line is the first broken rule, identity before price, then
   `duplicate`.
2. The result is compared with the base, the newest version per key. Differences become versions
   with a Change: `new`, `restated`, or `withdrawn`, which repeats the values of the base. A key
   without a line in this batch keeps its version. So does one whose lines are all without a
   bar (`kept_earlier`): an emptier answer never removes a value.
3. A ticker has one price per session. If several securities claim it, the latest fetch wins.

Differences between Spark 3.5 and Sail 0.7, measured on 2026-11-22, and their workarounds:
- They disagree on what is JSON (NaN, `{} trailing`, `{'a'}`, 1e400): Python's parser decides.
- Sail lacks `input_file_name`: `binaryFile` reads whole files with their paths. Sail returns a file
  twice where it cuts the list between cores (253 rows for 252 files): hence `dropDuplicates`.
- Sail's writer ignores every sort, but keeps the order of a window, as Spark does: `write_changes`.
- Sail's windows cost time per partition, so they span a session, where a key would be enough.
- Sail reads a missing path as no rows: hence the search for unread files in `run`, and the count
  in `current`.
"""

import argparse
import gzip
import json
import math
import re
import sys
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from functools import reduce
from hashlib import sha256
from operator import and_, or_
from typing import Any

from pyspark.sql import Column, DataFrame, SparkSession, Window, WindowSpec
from pyspark.sql import functions as fn

TRANSIENT = ("throttled", "upstream_error")
WITHOUT_BAR = ("no_session", "not_listed", "unknown_symbol", *TRANSIENT)
OUTCOMES = ("ok", "null_bar", "live_bar", *WITHOUT_BAR)
# Yahoo rounds open, high, low and close separately; real bars are off by less than this.
OHLC_TOLERANCE = 1e-4
# Equal values of two fetches differ by the rounding of splits, and of final adjusted closes.
VALUE_TOLERANCE = 1e-6
ADJ_CLOSE_TOLERANCE = 1e-5
# Above 2^53 a double cannot represent every whole number of shares.
VOLUME_LIMIT = 2.0**53
REMEDY = "Restore it, or move its run to raw/stock_prices/withdrawn and fetch its sessions again."
BAD_ACTION = "bad_corporate_action"
RANK_OF_OK = 2
MONTH = "substring(date, 1, 7)"
IS_PRICE = "Rank IS NOT NULL AND coalesce(Superseded, Reason, WithoutBar) IS NULL"
# A batch of more securities reads the base of its sessions whole.
FEW_SECURITIES = 50
# Lines, of whole files or months, that are read or classified at once. 125,000 take 230 MB more.
LINES_AT_ONCE = 30_000
# Each piece that is read writes a file per month.
MAX_PIECES = 25
CHANGES = ("new", "restated", "withdrawn")
# The Change of a key that Has values now, or Had values in the base.
CHANGE = """
    CASE WHEN IsLost THEN IF(Had, 'withdrawn', NULL)
    WHEN IsKept THEN IF(Had, 'kept_earlier', NULL)
    WHEN Has AND NOT Had THEN 'new'
    WHEN Has THEN IF(IsSame, 'unchanged', 'restated')
    WHEN Had AND IsRead THEN 'withdrawn' END
"""

# A value of another JSON type (a number in quotes, a bar that is a list) reads as null.
RAW_LINE = """
    security_id string, symbol string, session_date string, outcome string, exchange string,
    currency string,
    bar struct<open double, high double, low double, close double, adj_close double, volume double>,
    dividend double, dividend_currency string, capital_gain double,
    split struct<numerator double, denominator double>,
    later_splits array<struct<date string, numerator double, denominator double>>,
    fetched_at string, unusable_events array<string>
"""
SESSION_IN_TEXT = re.compile(rb'"session_date"\s*:\s*"(\d{4}-\d{2}-\d{2})"')
SECURITY_IN_TEXT = re.compile(rb'"security_id"\s*:\s*("(?:[^"\\]|\\.)*")')
OHLC = ("Open", "High", "Low", "Close")
# The values that are compared with the base, with their relative tolerances.
PRICE = {
    **dict.fromkeys(("Ticker", "ExchangeCode", "Currency", "Volume"), 0.0),
    **dict.fromkeys(OHLC, VALUE_TOLERANCE),
    "YahooAdjClose": ADJ_CLOSE_TOLERANCE,
}
ACTION = {"Ticker": 0.0, "Currency": 0.0, "Value": VALUE_TOLERANCE}


@dataclass(frozen=True)
class Table:
    """A table of versions: its columns with types, and the key that has one current version."""

    name: str
    schema: str
    key: tuple[str, ...]


DATES = "DateKey bigint, TradeDate date"
VERSION = "BatchId string, KnownFrom timestamp, Change string"
STOCK_PRICES = Table(
    "stock_prices",
    f"""{DATES}, SecurityId string, Ticker string, ExchangeCode string, Open double, High double,
    Low double, Close double, Volume bigint, YahooAdjClose double, Currency string,
    FetchedAt timestamp, {VERSION}""",
    ("SecurityId", "TradeDate"),
)
CORPORATE_ACTIONS = Table(
    "corporate_actions",
    f"""{DATES}, SecurityId string, Ticker string, ActionType string, Value double,
    Currency string, FetchedAt timestamp, {VERSION}""",
    ("SecurityId", "TradeDate", "ActionType"),
)
QUARANTINE = Table(
    "quarantine",
    f"TradeDate date, SecurityId string, Ticker string, Reason string, Record string, {VERSION}",
    ("TradeDate", "SecurityId", "Ticker", "Reason", "Record"),
)


@dataclass(frozen=True)
class Request:
    """The request of the orchestrator.

    Attributes:
        batch_id: identifies the batch in each row.
        known_from: the batch's moment, later than that of every version of the base.
        sessions: the sessions to process.
        symbols: every ticker of the ERP.
        securities: the SecurityIds to which the batch is limited, or None.
        files: the record files of every raw run of one of the sessions, by URI: `run`, `lines`,
            `sha256`, `first_session` and `last_session`.
        base: number of rows of the parts with earlier versions, by table and URI.
    """

    batch_id: str
    known_from: str
    sessions: list[str]
    symbols: list[str]
    securities: list[str] | None
    files: dict[str, dict[str, Any]]
    base: dict[str, dict[str, int]]


def read_request(spark: SparkSession, uri: str) -> Request:
    """Reads request.json through Spark, because Python alone cannot read `gs://`.

    Raises:
        ValueError: The request is missing, or it has no record file in its run's folder.
    """
    row = spark.read.text(uri, wholetext=True).first()
    if row is None:
        raise ValueError(f"There is no request at {uri}.")
    request = Request(**json.loads(row[0]))
    if not request.files:
        raise ValueError(f"{uri} names no record file. Fetch its sessions first.")
    for path, file in request.files.items():
        if not name_in_raw(path).startswith(f"run={file['run']}/"):
            raise ValueError(f"{path} must be in a folder run={file['run']}.")
    return request


def name_in_raw(uri: str) -> str:
    """The part of a URI that identifies a record file: `run=RUN/NAME`."""
    return "/".join(uri.rsplit("/", 2)[-2:])


def lines_of(securities: Collection[str], lines: Sequence[bytes]) -> list[bytes]:
    """Returns the lines with one of the securities in their text."""
    quoted = {json.dumps(text).encode() for text in securities}
    quoted |= {json.dumps(text, ensure_ascii=False).encode() for text in securities}
    found = ((SECURITY_IN_TEXT.search(line), line) for line in lines)
    return [line for match, line in found if match and match[1] in quoted]


def requested_lines(
    uri: str,
    content: bytes,
    file: dict[str, Any],
    sessions: Collection[str],
    securities: Collection[str] | None,
) -> list[tuple[str, str, bool]]:
    """Returns the non-blank lines of the sessions: session, text, whether it is a JSON object.

    A line without a session of its run in its text, such as a damaged one, counts to the first one.
    If the securities are limited, a line without one of them in its text is left out.

    Raises:
        ValueError: The content is not that of the manifest.
    """

    def finite(text: str) -> float:
        if math.isfinite(number := float(text)):
            return number
        raise ValueError(text)

    decoder = json.JSONDecoder(parse_float=finite, parse_int=finite, parse_constant=finite)

    def is_object(line: str) -> bool:
        try:
            return isinstance(decoder.decode(line), dict)
        except (ValueError, RecursionError):
            return False

    if sha256(content).hexdigest() != file["sha256"]:
        raise ValueError(f"{uri} has another SHA-256 than in its manifest. {REMEDY}")
    lines = [line for line in gzip.decompress(content).split(b"\n") if line.strip()]
    if len(lines) != file["lines"]:
        raise ValueError(f"{uri} has {len(lines)} lines instead of {file['lines']}. {REMEDY}")
    requested = []
    for line in lines if securities is None else lines_of(securities, lines):
        found = SESSION_IN_TEXT.search(line)
        session = found[1].decode() if found else ""
        if not file["first_session"] <= session <= file["last_session"]:
            session = file["first_session"]
        if session in sessions:
            text = line.decode("utf-8", "replace")
            requested.append((session, text, is_object(text)))
    return requested


def read_lines(spark: SparkSession, request: Request, uris: Sequence[str]) -> DataFrame:
    """Reads one row per line of the requested sessions in some files: File, date, Text, IsJson.

    A file without such lines gives one row without Text, so that every file is accounted for.
    """
    files = {name_in_raw(uri): file for uri, file in request.files.items()}
    sessions = frozenset(request.sessions)
    split_lines = fn.udf(
        lambda uri, content: requested_lines(
            uri, content, files[name_in_raw(uri)], sessions, request.securities
        ),
        "array<struct<date: string, Text: string, IsJson: boolean>>",
    )
    contents = spark.read.format("binaryFile").load(list(uris)).dropDuplicates(["path"])
    file = fn.regexp_extract("path", "run=[^/]+/[^/]+$", 0).alias("File")
    line = fn.explode_outer(split_lines("path", "content")).alias("line")
    date = fn.coalesce("line.date", fn.lit(request.sessions[0])).alias("date")
    return contents.select(file, line).select("File", date, "line.Text", "line.IsJson")


def is_blank(name: str) -> Column:
    """True if a text is null, empty or blank."""
    return fn.coalesce(fn.trim(name), fn.lit("")) == ""


def positive(value: Column) -> Column:
    """The value if it is positive and finite, else null."""
    return fn.when((value > 0) & (value < math.inf), value)


def split_factor() -> Column:
    """Product of the ratios of all splits after the session; null if one of them is unusable.

    As of the fetch, Yahoo has divided prices and cash by it, and multiplied volume.
    """

    def usable(split: Column) -> Column:
        ratio = positive(split["numerator"]) / positive(split["denominator"])
        is_later = split["date"] > fn.col("date")
        return ratio.isNotNull() & is_later.isNotNull() & is_later

    def times(product: Column, split: Column) -> Column:
        return product * split["numerator"] / split["denominator"]

    product = fn.aggregate("later_splits", fn.lit(1.0), times)
    return positive(fn.when(fn.forall("later_splits", usable), product))


def parse(lines: DataFrame) -> DataFrame:
    """Adds the fields of the raw record as received, FetchedAt and the split Factor."""
    is_time = fn.col("fetched_at").rlike(r"^\d{4}-\d{2}-\d{2}T")
    return (
        lines.withColumn("raw", fn.from_json(fn.when(fn.col("IsJson"), fn.col("Text")), RAW_LINE))
        .select("File", "date", "Text", "IsJson", "raw.*")
        .withColumn("FetchedAt", fn.when(is_time, fn.col("fetched_at").cast("timestamp")))
        .withColumn("Factor", split_factor())
    )


def as_traded(parsed: DataFrame) -> DataFrame:
    """Undoes the later splits: prices x Factor, shares / Factor rounded half up to whole shares.

    Yahoo's volumes are whole numbers; rounding also removes fractions left by its own division.
    YahooAdjClose stays as received, or null if it is not a positive number.
    """
    shares = fn.col("bar.volume") / fn.col("Factor")
    countable = (shares >= 0) & (shares < VOLUME_LIMIT)
    return parsed.withColumns(
        {
            **{name: fn.col(f"bar.{name.lower()}") * fn.col("Factor") for name in OHLC},
            "Volume": fn.round(fn.when(countable, shares)).cast("bigint"),
            "YahooAdjClose": positive(fn.col("bar.adj_close")),
        }
    )


def identity_rules(symbols: Sequence[str]) -> dict[str, Column]:
    """Conditions, by reason and in order, under which a line has no valid security and session."""
    has_blank = reduce(or_, map(is_blank, ("security_id", "symbol", "session_date", "outcome")))
    return {
        "not_json": ~fn.col("IsJson"),
        "missing_field": has_blank | fn.col("FetchedAt").isNull(),
        "unknown_outcome": ~fn.col("outcome").isin(*OUTCOMES),
        "wrong_session": fn.col("session_date") != fn.col("date"),
        "unknown_ticker": ~fn.col("symbol").isin(list(symbols)),
    }


def price_rules() -> dict[str, Column]:
    """Conditions, by reason and in order, under which a line with a bar has no valid price."""
    received = [fn.col(f"bar.{name}") for name in ("open", "high", "low", "close", "volume")]
    has_null = reduce(or_, (value.isNull() for value in received))
    too_low = fn.col("High") < fn.greatest("Open", "Low", "Close") * (1 - OHLC_TOLERANCE)
    too_high = fn.col("Low") > fn.least("Open", "High", "Close") * (1 + OHLC_TOLERANCE)
    return {
        "bar_on_closed_session": fn.col("outcome") == "no_session",
        "live_bar": fn.col("outcome") == "live_bar",
        "null_bar": has_null | (fn.col("outcome") == "null_bar"),
        "missing_currency": is_blank("currency"),
        "missing_exchange": is_blank("exchange"),
        "bad_later_split": fn.col("Factor").isNull(),
        "non_positive_price": reduce(or_, (positive(fn.col(name)).isNull() for name in OHLC)),
        "negative_volume": fn.col("bar.volume") < 0,
        "volume_too_large": fn.col("Volume").isNull(),
        "ohlc_inconsistent": too_low | too_high,
    }


def first_broken(rules: dict[str, Column]) -> Column:
    """The name of the first condition that is true, else null."""
    return fn.coalesce(*(fn.when(broken, fn.lit(reason)) for reason, broken in rules.items()))


def action_values() -> dict[str, Column]:
    """Values by type of corporate action; cash as traded, because Yahoo divides it like prices."""
    return {
        "dividend": fn.col("dividend") * fn.col("Factor"),
        "capital_gain": fn.col("capital_gain") * fn.col("Factor"),
        "split": positive(fn.col("split.numerator")) / positive(fn.col("split.denominator")),
    }


def actions_of_line() -> Column:
    """The corporate actions of a line, with a null Value if unusable."""

    def action(kind: str, is_given: Column, value: Column) -> Column:
        paid_in = fn.when(fn.lit(kind == "dividend"), fn.col("dividend_currency")).alias("PaidIn")
        named = (fn.lit(kind).alias("ActionType"), positive(value).alias("Value"), paid_in)
        return fn.when(is_given, fn.struct(*named))

    usable = (action(kind, fn.col(kind).isNotNull(), of) for kind, of in action_values().items())
    has_unusable = fn.size("unusable_events") > 0
    unusable = action("unusable", has_unusable, fn.lit(None).cast("double"))
    return fn.filter(fn.array(*usable, unusable), lambda action: action.isNotNull())


def classify(lines: DataFrame, request: Request) -> DataFrame:
    """Classifies each line by its own content: adds the columns of the outputs, Actions and Rank.

    Reason is set for a quarantined line, WithoutBar for a line that is counted by outcome. If both
    are null, the line has a valid price. A line that breaks an identity rule has no Rank. HasKey is
    true if the line names the security and the session as which it is counted.
    """
    outcome = fn.col("outcome")
    is_closed_with_price = (outcome == "no_session") & fn.col("bar.close").isNotNull()
    without_bar = fn.when(outcome.isin(*WITHOUT_BAR) & ~is_closed_with_price, outcome)
    rank = fn.when(outcome == "ok", RANK_OF_OK).when(outcome.isin(*TRANSIENT), 0).otherwise(1)
    is_identified = fn.col("Identity").isNull()
    names_session = fn.col("session_date").eqNullSafe(fn.col("date"))
    return (
        as_traded(parse(lines))
        .withColumn("Identity", first_broken(identity_rules(request.symbols)))
        .withColumn("WithoutBar", fn.when(is_identified, without_bar))
        .withColumn("Price", fn.when(fn.col("WithoutBar").isNull(), first_broken(price_rules())))
        .withColumn("Reason", fn.coalesce("Identity", "Price"))
        .withColumn("Actions", fn.when(is_identified, actions_of_line()))
        .withColumn("Rank", fn.when(is_identified, rank))
        .withColumn("TradeDate", fn.col("date").cast("date"))
        .withColumn("SecurityId", fn.when(~is_blank("security_id"), fn.col("security_id")))
        .withColumn("HasKey", fn.col("SecurityId").isNotNull() & names_session)
        .withColumnsRenamed({"symbol": "Ticker", "exchange": "ExchangeCode"})
    )


def is_close(value: Column, other: Column, tolerance: float, *slacks: Column) -> Column:
    """Whether numbers differ by at most a relative tolerance or one of the slacks; null is null."""
    limits = (fn.greatest(fn.abs(value), fn.abs(other)) * tolerance, *slacks, fn.lit(0.0))
    is_within = fn.abs(value - other) <= fn.greatest(*limits)
    return fn.coalesce(is_within, value.isNull() & other.isNull())


def repeats(
    order: WindowSpec, *values: str | Column, tolerance: float = 0, slack: Column | None = None
) -> Column:
    """Whether a line has the values of the line before.

    Numbers may differ by a relative tolerance, or by the slack of one of the lines.
    """
    slacks = () if slack is None else (slack, fn.lag(slack).over(order))

    def is_same(value: Column) -> Column:
        before = fn.lag(value).over(order)
        return (
            is_close(value, before, tolerance, *slacks) if tolerance else value.eqNullSafe(before)
        )

    return reduce(and_, (is_same(fn.expr(v) if isinstance(v, str) else v) for v in values))


def choose_runs(classified: DataFrame) -> DataFrame:
    """Chooses one run per security and session, and supersedes the lines of the others.

    It is the run of the winner: the line of highest Rank, then the latest, then of greatest text.
    Lines of its Rank that precede it without a change of values, as traded, are its streak. Other
    runs' lines are `kept_earlier` if later than the winner, `unchanged` in its streak, or else
    `restated`. The winner has the content of the first line of its streak, so that an unchanged
    answer changes no row. Of several valid prices of the chosen run, the latest is kept.
    """
    keys = ("SecurityId", "Rank", "ReceivedAt", "Text", "Run")
    ascending = Window.partitionBy("TradeDate").orderBy(*map(fn.asc_nulls_first, keys))
    descending = Window.partitionBy("TradeDate").orderBy(*map(fn.desc_nulls_last, keys))
    up_to_here = ascending.rowsBetween(Window.unboundedPreceding, Window.currentRow)
    down_to_here = descending.rowsBetween(Window.unboundedPreceding, Window.currentRow)
    above = descending.rowsBetween(Window.unboundedPreceding, -1)
    exact = ("SecurityId", "Rank", "outcome", "Ticker", "ExchangeCode", "Currency")
    is_unchanged = (
        repeats(ascending, *exact, "dividend_currency")
        & repeats(ascending, *OHLC, tolerance=VALUE_TOLERANCE)
        # After a later reverse split Yahoo rounds fewer, larger shares.
        & repeats(ascending, "Volume", tolerance=VALUE_TOLERANCE, slack=0.5 / fn.col("Factor"))
        & repeats(ascending, *action_values().values(), tolerance=VALUE_TOLERANCE)
        & repeats(ascending, "YahooAdjClose * Factor", tolerance=ADJ_CLOSE_TOLERANCE)
    )
    of_first = ("FetchedAt", *OHLC, "Volume", "YahooAdjClose", "Actions", "Record")
    first = fn.when(~fn.col("IsUnchanged"), fn.struct(*of_first))
    winner = fn.when(fn.col("IsWinner"), fn.struct("Run", "ReceivedAt", "Streak"))
    has_rank, is_winning_run = fn.col("Rank").isNotNull(), fn.col("Run") == fn.col("Winner.Run")
    is_later = fn.col("ReceivedAt") > fn.col("Winner.ReceivedAt")
    is_equal = fn.col("Streak") == fn.col("Winner.Streak")
    kind = fn.when(is_later, "kept_earlier").when(is_equal, "unchanged").otherwise("restated")
    is_price = fn.expr(IS_PRICE)
    price_above = fn.last(fn.when(is_price, fn.col("SecurityId")), ignorenulls=True).over(above)
    is_duplicate = is_price & (price_above == fn.col("SecurityId"))
    has_bad_action = fn.exists("Actions", lambda action: action["Value"].isNull())
    is_rejected = fn.col("Reason").isNotNull() | has_bad_action
    chosen = (
        classified.withColumn("ReceivedAt", fn.col("FetchedAt"))
        # Windows copy each value: a copy of every text would take as much time as its parsing.
        .withColumn("Record", fn.when(is_rejected, fn.col("Text")))
        .withColumn("Run", fn.regexp_extract("File", "run=([^/]+)", 1))
        .withColumn("IsUnchanged", is_unchanged)
        .withColumn("First", fn.last(first, ignorenulls=True).over(up_to_here))
        .withColumn("Streak", fn.count(first).over(up_to_here))
        .withColumn("IsWinner", ~repeats(descending, "SecurityId"))
        .withColumn("Winner", fn.last(winner, ignorenulls=True).over(down_to_here))
        .withColumn("Superseded", fn.when(has_rank & ~is_winning_run, kind))
        .withColumn("Reason", fn.when(is_duplicate, "duplicate").otherwise(fn.col("Reason")))
    )
    keeps_first = has_rank & is_winning_run & is_equal
    for name in of_first:
        value = fn.when(keeps_first, fn.col(f"First.{name}")).otherwise(fn.col(name))
        chosen = chosen.withColumn(name, value)
    results = ("WithoutBar", "Reason", "Actions")
    kept = {name: fn.when(fn.col("Superseded").isNull(), fn.col(name)) for name in results}
    kept["Record"] = fn.when(is_rejected, fn.coalesce("Record", "Text"))
    key = ("TradeDate", "SecurityId", "HasKey", "Rank", "ReceivedAt", "Text")
    return chosen.withColumns(kept).select(
        "Run", *key, "Superseded", *results, "Record", *PRICE, "FetchedAt"
    )


def corporate_actions(lines: DataFrame) -> DataFrame:
    """One row per action of any line with a valid security and session; Value is null if unusable.

    Its Currency is that of the quote, unless the dividend has its own.
    """
    actions = lines.withColumn("action", fn.explode("Actions")).select("*", "action.*")
    return actions.withColumn("Currency", fn.coalesce("PaidIn", "Currency"))


def rejected(lines: DataFrame) -> DataFrame:
    """One row per rejected line or unusable action; an unusable action does not reject its line."""
    unusable = corporate_actions(lines).where("Value IS NULL")
    named = unusable.withColumn("Reason", fn.lit(BAD_ACTION)).select(*QUARANTINE.key)
    return lines.where("Reason IS NOT NULL").select(*QUARANTINE.key).unionByName(named)


def touched(lines: DataFrame) -> Column:
    """The condition of versions that the lines can change, by security or by ticker."""
    keys = lines.where("HasKey").select("SecurityId", "Ticker").distinct()
    few = keys.limit(FEW_SECURITIES + 1).collect()
    if len(few) > FEW_SECURITIES:
        return fn.expr("true")
    securities, tickers = ([row[number] for row in few] for number in range(2))
    return fn.col("SecurityId").isin(securities) | fn.col("Ticker").isin(tickers)


def current(spark: SparkSession, request: Request, table: Table, condition: Column) -> DataFrame:
    """The newest version per key of the requested sessions, without withdrawn ones.

    Raises:
        ValueError: The parts have another number of rows than in the request.
    """
    parts = request.base[table.name]
    if not parts:
        return spark.createDataFrame([], table.schema)
    rows = spark.read.schema(table.schema).parquet(*parts)
    if (found := rows.count()) != (expected := sum(parts.values())):
        raise ValueError(
            f"The parts of {table.name} have {found} rows instead of {expected}. Restore them."
        )
    sessions = [date.fromisoformat(session) for session in request.sessions]
    # Parts may have later versions, when a batch is run again to repair its own.
    is_before = fn.col("KnownFrom") < fn.lit(request.known_from).cast("timestamp")
    chosen = rows.where(fn.col("TradeDate").isin(sessions) & is_before & condition)
    order = Window.partitionBy("TradeDate").orderBy(*table.key, fn.desc("KnownFrom"))
    newest = chosen.withColumn("IsNewest", ~repeats(order, *table.key))
    return newest.where("IsNewest AND Change <> 'withdrawn'")


def with_base(
    rows: DataFrame, base: DataFrame, key: Sequence[str], values: dict[str, float]
) -> DataFrame:
    """Joins rows and base by key: adds the values of the Base, Has, Had and IsSame."""

    def is_same(name: str, tolerance: float) -> Column:
        now, before = fn.col(name), fn.col(f"Base.{name}")
        return is_close(now, before, tolerance) if tolerance else now.eqNullSafe(before)

    before = base.select(*key, fn.struct(*values, "FetchedAt").alias("Base"))
    return rows.join(before, list(key), "full").withColumns(
        {
            "Has": fn.col("FetchedAt").isNotNull(),
            "Had": fn.col("Base.FetchedAt").isNotNull(),
            "IsSame": reduce(and_, (is_same(*value) for value in values.items())),
        }
    )


def with_change(rows: DataFrame, values: dict[str, float]) -> DataFrame:
    """Adds the Change, and gives withdrawn rows the values of their base."""
    is_withdrawn = fn.col("Change") == "withdrawn"
    final = {
        name: fn.when(is_withdrawn, fn.col(f"Base.{name}")).otherwise(fn.col(name))
        for name in (*values, "FetchedAt")
    }
    return (
        rows.withColumn("Change", fn.expr(CHANGE))
        .withColumns(final)
        .drop("Base", "IsSame", "Claim", "ClaimedAt")
    )


def compare_prices(lines: DataFrame, base: DataFrame) -> DataFrame:
    """Compares prices: one row per key that a line names or whose price changes.

    Each price that would be current claims its ticker's session. A key whose claim loses to a later
    fetch of another security IsLost, and has no price.
    """
    names = (*PRICE, "FetchedAt", "ReceivedAt")
    found = [fn.max(fn.when(fn.expr(IS_PRICE), fn.col(name))).alias(name) for name in names]
    keys = lines.where("HasKey").groupBy(*STOCK_PRICES.key)
    best = keys.agg(fn.expr("true").alias("IsRead"), fn.max("Rank").alias("Rank"), *found)
    claims = {
        "IsKept": fn.expr(f"NOT Has AND coalesce(Rank < {RANK_OF_OK}, false)"),
        "Claim": fn.expr("IF(Has, Ticker, IF(IsKept OR IsRead IS NULL, Base.Ticker, NULL))"),
        "ClaimedAt": fn.expr("IF(Has, ReceivedAt, Base.FetchedAt)"),
    }
    joined = with_base(best, base, STOCK_PRICES.key, PRICE)
    for name, value in claims.items():
        joined = joined.withColumn(name, value)
    latest = (fn.desc("ClaimedAt"), fn.desc("Has"), fn.asc("SecurityId"))
    order = Window.partitionBy("TradeDate").orderBy("Claim", *latest)
    is_lost = fn.col("Claim").isNotNull() & repeats(order, "Claim")
    rows = with_change(joined.withColumn("IsLost", is_lost), PRICE)
    return rows.where("IsRead OR Change IS NOT NULL")


def compare_actions(lines: DataFrame, prices: DataFrame, base: DataFrame) -> DataFrame:
    """Compares the usable actions, which are kept or lost with the compared price of their key."""
    key, latest = ("SecurityId", "ActionType"), (fn.desc("ReceivedAt"), fn.desc("Text"))
    order = Window.partitionBy("TradeDate").orderBy(*key, *latest)
    usable = corporate_actions(lines).where("Value IS NOT NULL")
    found = usable.withColumn("IsLatest", ~repeats(order, *key)).where("IsLatest")
    actions = found.select(*CORPORATE_ACTIONS.key, *ACTION, "FetchedAt")
    price_change = fn.col("Change").alias("PriceChange")
    keys = prices.select(*STOCK_PRICES.key, "IsRead", "IsLost", "Rank", price_change)
    is_kept = "coalesce(PriceChange = 'kept_earlier', false) OR (NOT Has AND Rank = 0)"
    joined = with_base(actions, base, CORPORATE_ACTIONS.key, ACTION)
    rows = joined.join(keys, list(STOCK_PRICES.key), "left").withColumn("IsKept", fn.expr(is_kept))
    return with_change(rows, ACTION).where("Change IS NOT NULL")


def compare_quarantine(lines: DataFrame, prices: DataFrame, base: DataFrame) -> DataFrame:
    """Compares rejected records.

    One that is not rejected any more is withdrawn if a line names its key or has its text.
    """
    sides = {True: rejected(lines), False: base.select(*QUARANTINE.key)}
    now, before = (
        rows.withColumns({"IsNow": fn.lit(is_now), "WasBefore": fn.lit(not is_now)})
        for is_now, rows in sides.items()
    )
    flags = [fn.max(name).alias(name) for name in ("IsNow", "WasBefore")]
    rows = now.unionByName(before).groupBy(*QUARANTINE.key).agg(*flags)
    change = fn.expr("IF(WasBefore, 'unchanged', 'new')").alias("Change")
    desired = rows.where("IsNow").select(*QUARANTINE.key, change)

    gone = rows.where("NOT IsNow").select(*QUARANTINE.key)
    # A join of the texts would hold all of them in memory.
    texts = lines.select("TradeDate", fn.sha2("Text", 256).alias("Digest"))
    with_digest = gone.withColumn("Digest", fn.sha2("Record", 256))
    by_key = gone.join(prices.where("IsRead"), ["TradeDate", "SecurityId"], "left_semi")
    by_text = with_digest.join(texts, ["TradeDate", "Digest"], "left_semi")
    withdrawn = by_key.select(*QUARANTINE.key).unionByName(by_text.select(*QUARANTINE.key))
    return desired.unionByName(withdrawn.distinct().withColumn("Change", fn.lit("withdrawn")))


def stored(rows: DataFrame, uri: str) -> DataFrame:
    """Writes rows as scratch, and returns them read back."""
    rows.write.mode("overwrite").option("compression", "zstd").parquet(uri)
    return rows.sparkSession.read.schema(rows.schema).parquet(uri)


def pieces(sizes: Iterable[tuple[str, int]], size_at_once: int) -> list[list[str]]:
    """Groups names, in order, so that each group but the last has at least a size."""
    groups: list[list[str]] = []
    size = size_at_once
    for name, added in sizes:
        if size >= size_at_once:
            groups.append([])
            size = 0
        groups[-1].append(name)
        size += added
    return groups


def store_text(spark: SparkSession, request: Request, uri: str) -> DataFrame:
    """Stores the lines by month, and returns them read back.

    Raises:
        FileNotFoundError: A record file does not exist.
    """
    sizes = {name: file["lines"] for name, file in request.files.items()}
    groups = [list(sizes)]
    if request.securities is None:
        at_once = max(LINES_AT_ONCE, sum(sizes.values()) // MAX_PIECES)
        groups = pieces(sizes.items(), at_once)
    mode = "overwrite"
    for files in groups:
        lines = read_lines(spark, request, files)
        by_month = lines.withColumn("Month", fn.expr(MONTH)).write.partitionBy("Month")
        by_month.mode(mode).option("compression", "zstd").parquet(uri)
        mode = "append"
    text = spark.read.schema(lines.schema).parquet(uri)
    read = {row[0] for row in text.select("File").distinct().collect()}
    if missing := [file for file in request.files if name_in_raw(file) not in read]:
        names = ", ".join(missing[:5])
        raise FileNotFoundError(f"{len(missing)} record files do not exist: {names}. {REMEDY}")
    return text


def classified_lines(spark: SparkSession, request: Request, output_uri: str) -> DataFrame:
    """Reads, classifies and stores the lines, some at a time to limit the memory."""
    text = store_text(spark, request, f"{output_uri}/text")
    by_month = text.groupBy(fn.expr(MONTH).alias("Month")).count().sort("Month").collect()
    stored_lines = []
    for months in pieces(by_month, LINES_AT_ONCE):
        paths = [f"{output_uri}/text/Month={month}" for month in months]
        lines = spark.read.schema(text.schema).parquet(*paths).where("Text IS NOT NULL")
        classified = choose_runs(classify(lines, request))
        stored_lines.append(stored(classified, f"{output_uri}/lines/{months[0]}"))
    return reduce(lambda earlier, later: earlier.unionByName(later), stored_lines)


def write_changes(compared: DataFrame, table: Table, request: Request, uri: str) -> None:
    """Writes the new versions, one file per year in the order of the key.

    Raises:
        ValueError: The files have other rows.
    """
    day = fn.col("TradeDate")
    date_key = fn.year(day) * 10_000 + fn.month(day) * 100 + fn.dayofmonth(day)
    changed = compared.where(fn.col("Change").isin(*CHANGES))
    versions = changed.withColumns(
        {
            "DateKey": date_key.cast("bigint"),
            "BatchId": fn.lit(request.batch_id),
            "KnownFrom": fn.lit(request.known_from).cast("timestamp"),
            "year": fn.year(day),
        }
    )
    order = Window.partitionBy("year").orderBy(*table.key)
    ordered = versions.withColumn("Number", fn.row_number().over(order)).where("Number > 0")
    columns = (column.split()[0] for column in table.schema.split(","))
    chosen = ordered.select("year", *columns)
    chosen.write.mode("overwrite").option("compression", "zstd").partitionBy("year").parquet(uri)
    written = chosen.sparkSession.read.schema(chosen.schema).parquet(uri)
    if sorted(counts(written, "Change")) != sorted(counts(changed, "Change")):
        raise ValueError(f"The files in {uri} have other rows than were written.")


def counts(rows: DataFrame, *keys: str | Column) -> list[Any]:
    """Counts rows by session and keys: (session, *keys, count)."""
    return rows.groupBy(fn.col("TradeDate").cast("string"), *keys).count().collect()


def measure(request: Request, lines: DataFrame, compared: dict[str, DataFrame]) -> dict[str, Any]:
    """Measures each session: lines by classification, and rows by change.

    An unusable action is a row of the quarantine but not a line, so it is counted separately from
    `quarantined`. Usable actions are not counted if they are kept or lost with their price.
    """
    numbers = ("lines_read", "valid", "corporate_actions", "adj_close_unusable", f"{BAD_ACTION}s")
    kinds = ("unchanged", "restated", "kept_earlier")
    changes = (*CHANGES, "unchanged", "kept_earlier")
    sessions: dict[str, dict[str, Any]] = {
        session: dict.fromkeys(numbers, 0)
        | {"quarantined": {}, "without_bar": {}, "superseded": dict.fromkeys(kinds, 0)}
        | {"changes": {table: dict.fromkeys(changes, 0) for table in compared}}
        for session in request.sessions
    }
    ends = ("superseded", "quarantined", "without_bar")
    for session, *end_of_line, count in counts(lines, "Superseded", "Reason", "WithoutBar"):
        sessions[session]["lines_read"] += count
        for end, kind in zip(ends, end_of_line, strict=True):
            if kind is not None:
                measured = sessions[session][end]
                measured[kind] = measured.get(kind, 0) + count
    for session, count in counts(corporate_actions(lines).where("Value IS NULL")):
        sessions[session][f"{BAD_ACTION}s"] = count
    prices = compared["stock_prices"].where("Has")
    is_unadjusted = fn.col("YahooAdjClose").isNull().alias("IsUnadjusted")
    for session, is_lost, unadjusted, count in counts(prices, "IsLost", is_unadjusted):
        if is_lost:
            sessions[session]["superseded"]["restated"] += count
        else:
            sessions[session]["valid"] += count
            sessions[session]["adj_close_unusable"] += count if unadjusted else 0
    for table, rows in compared.items():
        for session, change, count in counts(rows.where("Change IS NOT NULL"), "Change"):
            sessions[session]["changes"][table][change] = count
    for measured in sessions.values():
        actions = measured["changes"]["corporate_actions"]
        measured["corporate_actions"] = sum(actions[c] for c in ("new", "restated", "unchanged"))
    return sessions


def run(
    spark: SparkSession,
    request_uri: str,
    output_uri: str,
    engine: str,
    log: Callable[[str], object] = print,
) -> None:
    """Processes one request, from its file to the metrics, over files of an earlier attempt.

    Raises:
        ValueError: The request is invalid, or a record file or part is not as it says.
        FileNotFoundError: A record file does not exist.
    """
    started = time.monotonic()

    def log_progress(message: str) -> None:
        log(f"{time.monotonic() - started:7.1f} s  {message}")

    spark.conf.set("spark.sql.session.timeZone", "UTC")
    # Other readers do not load Spark's default, INT96, as a time in UTC.
    spark.conf.set("spark.sql.parquet.outputTimestampType", "TIMESTAMP_MICROS")

    request = read_request(spark, request_uri)
    lines = classified_lines(spark, request, output_uri)
    log_progress(f"classified the lines of {len(request.sessions)} sessions")

    condition, scratch = touched(lines), f"{output_uri}/compared"
    base = current(spark, request, STOCK_PRICES, condition)
    prices = stored(compare_prices(lines, base), f"{scratch}/stock_prices")
    base = current(spark, request, CORPORATE_ACTIONS, condition)
    actions = stored(compare_actions(lines, prices, base), f"{scratch}/corporate_actions")
    base = current(spark, request, QUARANTINE, fn.expr("true"))
    rejects = stored(compare_quarantine(lines, prices, base), f"{scratch}/quarantine")
    log_progress("compared with the base")

    compared = {"stock_prices": prices, "corporate_actions": actions, "quarantine": rejects}
    for table in (STOCK_PRICES, CORPORATE_ACTIONS, QUARANTINE):
        write_changes(compared[table.name], table, request, f"{output_uri}/{table.name}")
        log_progress(f"wrote {table.name}")

    sessions = measure(request, lines, compared)
    metrics = {
        "batch_id": request.batch_id,
        "known_from": request.known_from,
        "engine": engine,
        "sessions": sessions,
    }
    text = spark.createDataFrame([(json.dumps(metrics),)], "value string").coalesce(1)
    text.write.mode("overwrite").text(f"{output_uri}/metrics.json")
    log_progress(f"valid prices: {sum(session['valid'] for session in sessions.values())}")


def main(argv: Sequence[str]) -> None:
    """Runs the job in the Spark session of spark-submit or the environment."""
    parser = argparse.ArgumentParser(description="Raw stock prices to Parquet, as traded.")
    parser.add_argument("--request", required=True, help="URI of request.json")
    parser.add_argument("--output", required=True, help="URI of the batch's staging prefix")
    options = parser.parse_args(argv)
    spark = SparkSession.builder.appName("process_stock_prices").getOrCreate()
    try:
        run(spark, options.request, options.output, f"spark {spark.version}")
    finally:
        spark.stop()


if __name__ == "__main__":
    main(sys.argv[1:])
