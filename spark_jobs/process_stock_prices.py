"""The Spark job: turns raw price records of some sessions into as-traded prices in Parquet.

    process_stock_prices.py --request URI --output STAGING_URI

One self-contained file that needs only pyspark and the standard library, because it is uploaded
alone to Dataproc Serverless (runtime 2.3: Spark 3.5, Python 3.11). The same file runs on classic
local Spark and, over Spark Connect, on Sail. Belongs here: the processing of a record. Which
sessions to process, the layout of the lake and the rating of the counts belong to the orchestrator.

`request.json` has `batch_id`, `sessions`, `symbols` and `files`: the record files of every raw run
of one of the sessions, as URI: `{"run", "lines", "sha256", "first_session", "last_session"}`. The
job writes under STAGING_URI, in this order: `lines/`, every line with its classification (scratch,
so that the JSON is parsed once: `cache()` has no effect on Sail); `stock_prices/`,
`corporate_actions/` and `quarantine/`, each with one file per session in `date=YYYY-MM-DD/`; and
`metrics.json/`, a folder with one text file of one line. A batch with metrics is complete.

Every non-blank line of a session ends in exactly one place, so for each session `lines_read ==
valid + sum(quarantined) + sum(without_bar) + sum(superseded)`. A line that breaks an identity rule
is quarantined; else superseded, if `choose_runs` chooses another run; else as its own content says.
The reason of a rejected line is the first broken rule, identity before price, then `duplicate`.

Differences between Spark 3.5 and Sail 0.7, measured on 2026-11-22, and their workarounds:
- They disagree on what is JSON (NaN, `{} trailing`, `{'a'}`, 1e400): Python's parser decides.
- Sail lacks `input_file_name`: `binaryFile` reads whole files with their paths. Sail returns a file
  twice where it cuts the list between cores (253 rows for 252 files): hence `dropDuplicates`.
- Sail's writer ignores every sort, but keeps the order of a window, as Spark does: `latest_by`.
- Sail's windows cost time per partition, so they span a session, where a key would be enough.
- Sail reads a missing path as no rows: hence the search for unread files in `run`.
"""

import argparse
import gzip
import json
import math
import re
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
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
REMEDY = "Restore it, or move the run's folder out of the lake and fetch its sessions again."
BAD_ACTION = "bad_corporate_action"

# A value of another JSON type (a number in quotes, a bar that is a list) reads as null.
RAW_LINE = """
    symbol string, session_date string, outcome string, exchange string, currency string,
    bar struct<open double, high double, low double, close double, adj_close double, volume double>,
    dividend double, dividend_currency string, capital_gain double,
    split struct<numerator double, denominator double>,
    later_splits array<struct<date string, numerator double, denominator double>>,
    fetched_at string
"""
TRADE = ("DateKey", "TradeDate", "Ticker")
SOURCE = ("Currency", "FetchedAt", "BatchId")
SESSION_IN_TEXT = re.compile(rb'"session_date"\s*:\s*"(\d{4}-\d{2}-\d{2})"')
OHLC = ("Open", "High", "Low", "Close")
PRICE = (*TRADE, "ExchangeCode", *OHLC, "Volume", "YahooAdjClose", *SOURCE)
ACTION = (*TRADE, "ActionType", "Value", *SOURCE)
QUARANTINE = ("SessionDate", "Ticker", "Reason", "Record", "BatchId")


@dataclass(frozen=True)
class Request:
    """The request of the orchestrator; `files` has the manifests' facts by URI of a record file."""

    batch_id: str
    sessions: list[str]
    symbols: list[str]
    files: dict[str, dict[str, Any]]


def read_request(spark: SparkSession, uri: str) -> Request:
    """Reads request.json through Spark, because Python alone cannot read `gs://`.

    Raises:
        ValueError: The request is missing, or a record file is not in its run's folder.
    """
    row = spark.read.text(uri, wholetext=True).first()
    if row is None:
        raise ValueError(f"There is no request at {uri}.")
    request = Request(**json.loads(row[0]))
    for path, file in request.files.items():
        if not name_in_raw(path).startswith(f"run={file['run']}/"):
            raise ValueError(f"{path} must be in a folder run={file['run']}.")
    return request


def name_in_raw(uri: str) -> str:
    """The part of a URI that identifies a record file: `run=RUN/NAME`."""
    return "/".join(uri.rsplit("/", 2)[-2:])


def requested_lines(
    uri: str, content: bytes, file: dict[str, Any], sessions: frozenset[str]
) -> list[tuple[str, str, bool]]:
    """Returns the non-blank lines of the sessions: session, text, whether it is a JSON object.

    A line without a session of its run in its text, such as a damaged one, counts to the first one.

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
    for line in lines:
        found = SESSION_IN_TEXT.search(line)
        session = found[1].decode() if found else ""
        if not file["first_session"] <= session <= file["last_session"]:
            session = file["first_session"]
        if session in sessions:
            text = line.decode("utf-8", "replace")
            requested.append((session, text, is_object(text)))
    return requested


def read_lines(spark: SparkSession, request: Request) -> DataFrame:
    """Reads one row per line of the requested sessions: File, date, Record, IsJson.

    A file without such lines gives one row with only File, so that every file is accounted for.
    """
    files = {name_in_raw(uri): file for uri, file in request.files.items()}
    sessions = frozenset(request.sessions)
    split_lines = fn.udf(
        lambda uri, content: requested_lines(uri, content, files[name_in_raw(uri)], sessions),
        "array<struct<date: string, Record: string, IsJson: boolean>>",
    )
    contents = spark.read.format("binaryFile").load(list(request.files)).dropDuplicates(["path"])
    file = fn.regexp_extract("path", "run=[^/]+/[^/]+$", 0).alias("File")
    line = fn.explode_outer(split_lines("path", "content")).alias("line")
    return contents.select(file, line).select("File", "line.*")


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
        lines.withColumn("raw", fn.from_json(fn.when(fn.col("IsJson"), fn.col("Record")), RAW_LINE))
        .select("File", "date", "Record", "IsJson", "raw.*")
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
    """Conditions, by reason and in order, under which a line has no valid ticker and session."""
    has_blank = reduce(or_, map(is_blank, ("symbol", "session_date", "outcome")))
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

    def action(kind: str, value: Column) -> Column:
        paid_in = fn.when(fn.lit(kind == "dividend"), fn.col("dividend_currency")).alias("PaidIn")
        named = (fn.lit(kind).alias("ActionType"), positive(value).alias("Value"), paid_in)
        return fn.when(fn.col(kind).isNotNull(), fn.struct(*named))

    actions = fn.array(*(action(*item) for item in action_values().items()))
    return fn.filter(actions, lambda action: action.isNotNull())


def classify(lines: DataFrame, request: Request) -> DataFrame:
    """Classifies each line by its own content: adds the columns of the outputs, Actions and Rank.

    Reason is set for a quarantined line, WithoutBar for a line that is counted by outcome. If both
    are null, the line has a valid price. A line that breaks an identity rule has no Rank.
    """
    outcome = fn.col("outcome")
    is_line = fn.col("Record").isNotNull()
    is_closed_with_price = (outcome == "no_session") & fn.col("bar.close").isNotNull()
    without_bar = fn.when(outcome.isin(*WITHOUT_BAR) & ~is_closed_with_price, outcome)
    rank = fn.when(outcome == "ok", 2).when(outcome.isin(*TRANSIENT), 0).otherwise(1)
    is_identified = is_line & fn.col("Identity").isNull()
    return (
        as_traded(parse(lines))
        .withColumn("Identity", first_broken(identity_rules(request.symbols)))
        .withColumn("WithoutBar", fn.when(is_identified, without_bar))
        .withColumn("Price", fn.when(fn.col("WithoutBar").isNull(), first_broken(price_rules())))
        .withColumn("Reason", fn.when(is_line, fn.coalesce("Identity", "Price")))
        .withColumn("Actions", fn.when(is_identified, actions_of_line()))
        .withColumn("Rank", fn.when(is_identified, rank))
        .withColumn("DateKey", fn.regexp_replace("date", "-", "").cast("bigint"))
        .withColumn("TradeDate", fn.col("date").cast("date"))
        .withColumn("BatchId", fn.lit(request.batch_id))
        .withColumnsRenamed({"symbol": "Ticker", "exchange": "ExchangeCode"})
    )


def repeats(
    order: WindowSpec, *values: str | Column, tolerance: float = 0, slack: Column | None = None
) -> Column:
    """Whether a line has the values of the line before.

    Numbers may differ by a relative tolerance, or by the slack of one of the lines.
    """

    def is_same(value: Column) -> Column:
        before = fn.lag(value).over(order)
        if not tolerance:
            return value.eqNullSafe(before)
        limits = [fn.greatest(fn.abs(value), fn.abs(before)) * tolerance]
        if slack is not None:
            limits += [slack, fn.lag(slack).over(order)]
        is_close = fn.abs(value - before) <= fn.greatest(*limits, fn.lit(0.0))
        return fn.coalesce(is_close, value.isNull() & before.isNull())

    return reduce(and_, (is_same(fn.expr(v) if isinstance(v, str) else v) for v in values))


def choose_runs(classified: DataFrame) -> DataFrame:
    """Chooses one run per ticker and session, and supersedes the lines of the others.

    It is the run of the winner: the line of highest Rank, then the latest, then of greatest text.
    Lines of its Rank that precede it without a change of values, as traded, are its streak. Other
    runs' lines are `kept_earlier` if later than the winner, `unchanged` in its streak, or else
    `restated`. The winner has the content of the first line of its streak, so that an unchanged
    answer changes no row.
    """
    keys = ("Ticker", "Rank", "FetchedAt", "Record", "Run")
    ascending = Window.partitionBy("date").orderBy(*map(fn.asc_nulls_first, keys))
    descending = Window.partitionBy("date").orderBy(*map(fn.desc_nulls_last, keys))
    up_to_here = ascending.rowsBetween(Window.unboundedPreceding, Window.currentRow)
    down_to_here = descending.rowsBetween(Window.unboundedPreceding, Window.currentRow)
    exact = ("Ticker", "Rank", "outcome", "ExchangeCode", "Currency", "dividend_currency")
    is_unchanged = (
        repeats(ascending, *exact)
        & repeats(ascending, *OHLC, tolerance=VALUE_TOLERANCE)
        # After a later reverse split Yahoo rounds fewer, larger shares.
        & repeats(ascending, "Volume", tolerance=VALUE_TOLERANCE, slack=0.5 / fn.col("Factor"))
        & repeats(ascending, *action_values().values(), tolerance=VALUE_TOLERANCE)
        & repeats(ascending, "YahooAdjClose * Factor", tolerance=ADJ_CLOSE_TOLERANCE)
    )
    of_first = ("FetchedAt", *OHLC, "Volume", "YahooAdjClose", "Actions", "Record")
    first = fn.when(~fn.col("IsUnchanged"), fn.struct(*of_first))
    winner = fn.when(fn.col("IsWinner"), fn.struct("Run", "FetchedAt", "Streak"))
    has_rank, is_winning_run = fn.col("Rank").isNotNull(), fn.col("Run") == fn.col("Winner.Run")
    is_later = fn.col("FetchedAt") > fn.col("Winner.FetchedAt")
    is_equal = fn.col("Streak") == fn.col("Winner.Streak")
    kind = fn.when(is_later, "kept_earlier").when(is_equal, "unchanged").otherwise("restated")
    chosen = (
        classified.withColumn("Run", fn.regexp_extract("File", "run=([^/]+)", 1))
        .withColumn("IsUnchanged", is_unchanged)
        .withColumn("First", fn.last(first, ignorenulls=True).over(up_to_here))
        .withColumn("Streak", fn.count(first).over(up_to_here))
        .withColumn("IsWinner", ~repeats(descending, "Ticker"))
        .withColumn("Winner", fn.last(winner, ignorenulls=True).over(down_to_here))
        .withColumn("Superseded", fn.when(has_rank & ~is_winning_run, kind))
        .withColumns({"ReceivedAt": fn.col("FetchedAt"), "Text": fn.col("Record")})
    )
    keeps_first = has_rank & is_winning_run & is_equal
    for name in of_first:
        value = fn.when(keeps_first, fn.col(f"First.{name}")).otherwise(fn.col(name))
        chosen = chosen.withColumn(name, value)
    results = ("WithoutBar", "Reason", "Actions")
    kept = {name: fn.when(fn.col("Superseded").isNull(), fn.col(name)) for name in results}
    columns = ("File", "date", "Record", "Superseded", *results, "ReceivedAt", "Text", *PRICE)
    return chosen.withColumns(kept).select(*columns)


def latest_by(rows: DataFrame, *keys: str) -> DataFrame:
    """Orders each session by the keys; IsLatest marks the latest line of a key, ties by text."""
    order = Window.partitionBy("date").orderBy(*keys, fn.desc("ReceivedAt"), fn.desc("Text"))
    return rows.withColumn("IsLatest", ~repeats(order, *keys))


def prices(lines: DataFrame) -> DataFrame:
    """Valid prices in order of Ticker; IsLatest is false for older duplicates."""
    is_price = "Record IS NOT NULL AND coalesce(Superseded, Reason, WithoutBar) IS NULL"
    return latest_by(lines.where(is_price), "Ticker")


def corporate_actions(classified: DataFrame) -> DataFrame:
    """One row per action of any line with a valid ticker and session; Value is null if unusable.

    Its Currency is that of the quote, unless the dividend has its own.
    """
    actions = classified.withColumn("action", fn.explode("Actions")).select("*", "action.*")
    return actions.withColumn("Currency", fn.coalesce("PaidIn", "Currency"))


def latest_actions(classified: DataFrame) -> DataFrame:
    """The usable actions, one per ticker, session and type, in that order."""
    usable = corporate_actions(classified).where(fn.col("Value").isNotNull())
    return latest_by(usable, "Ticker", "ActionType").where("IsLatest")


def quarantine(classified: DataFrame) -> DataFrame:
    """One row per rejected line, valid price replaced by a later fetch, or unusable action.

    An unusable action does not reject its line, which may contain a valid price.
    """
    replaced = prices(classified).where(~fn.col("IsLatest"))
    unusable = corporate_actions(classified).where(fn.col("Value").isNull())
    parts = (
        classified.where(fn.col("Reason").isNotNull()),
        replaced.withColumn("Reason", fn.lit("duplicate")),
        unusable.withColumn("Reason", fn.lit(BAD_ACTION)),
    )
    rows = reduce(lambda one, other: one.unionByName(other.select(one.columns)), parts)
    return rows.withColumnRenamed("TradeDate", "SessionDate").repartition("date")


def write_sessions(rows: DataFrame, columns: Sequence[str], uri: str) -> DataFrame:
    """Writes one file per session, and returns the rows read back."""
    chosen = rows.select("date", *columns)
    chosen.write.mode("overwrite").option("compression", "zstd").partitionBy("date").parquet(uri)
    return chosen.sparkSession.read.schema(chosen.schema).parquet(uri)


def counts(rows: DataFrame, *keys: str | Column) -> list[Any]:
    """Counts rows by session and keys: (session, *keys, count)."""
    return rows.groupBy(fn.col("date").cast("string"), *keys).count().collect()


def measure(
    request: Request, classified: DataFrame, written: dict[str, DataFrame]
) -> dict[str, Any]:
    """Measures each session: lines by classification, and rows as written.

    An unusable action is a row of the quarantine but not a line, so it is counted separately from
    `quarantined`.
    """
    numbers = ("lines_read", "valid", "corporate_actions", "adj_close_unusable")
    kinds = ("unchanged", "restated", "kept_earlier")
    sessions: dict[str, dict[str, Any]] = {
        session: dict.fromkeys(numbers, 0)
        | {"quarantined": {}, "without_bar": {}, "superseded": dict.fromkeys(kinds, 0)}
        for session in request.sessions
    }
    lines = classified.where("Record IS NOT NULL")
    for session, outcome, kind, count in counts(lines, "WithoutBar", "Superseded"):
        sessions[session]["lines_read"] += count
        if outcome is not None:
            sessions[session]["without_bar"][outcome] = count
        if kind is not None:
            sessions[session]["superseded"][kind] = count
    unadjusted = fn.col("YahooAdjClose").isNull().alias("unadjusted")
    for session, is_unadjusted, rows in counts(written["stock_prices"], unadjusted):
        sessions[session]["valid"] += rows
        sessions[session]["adj_close_unusable"] += rows if is_unadjusted else 0
    for session, rows in counts(written["corporate_actions"]):
        sessions[session]["corporate_actions"] = rows
    for session, reason, rows in counts(written["quarantine"], "Reason"):
        sessions[session]["quarantined"][reason] = rows
    for measured in sessions.values():
        measured[f"{BAD_ACTION}s"] = measured["quarantined"].pop(BAD_ACTION, 0)
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
        ValueError: The request is invalid, or a record file is not as in its manifest.
        FileNotFoundError: A record file does not exist.
    """
    started = time.monotonic()

    def log_progress(message: str) -> None:
        log(f"{time.monotonic() - started:7.1f} s  {message}")

    spark.conf.set("spark.sql.session.timeZone", "UTC")
    # Other readers do not load Spark's default, INT96, as a time in UTC.
    spark.conf.set("spark.sql.parquet.outputTimestampType", "TIMESTAMP_MICROS")

    request = read_request(spark, request_uri)
    rows = choose_runs(classify(read_lines(spark, request), request))
    scratch = f"{output_uri}/lines"
    rows.write.mode("overwrite").option("compression", "zstd").parquet(scratch)
    classified = spark.read.schema(rows.schema).parquet(scratch)
    read = {row[0] for row in classified.select("File").distinct().collect()}
    missing = [uri for uri in request.files if name_in_raw(uri) not in read]
    if missing:
        names = ", ".join(missing[:5])
        raise FileNotFoundError(f"{len(missing)} record files do not exist: {names}. {REMEDY}")
    log_progress(f"classified the lines of {len(request.sessions)} sessions")

    written = {}
    for table, rows, columns in (
        ("stock_prices", prices(classified).where("IsLatest"), PRICE),
        ("corporate_actions", latest_actions(classified), ACTION),
        ("quarantine", quarantine(classified), QUARANTINE),
    ):
        written[table] = write_sessions(rows, columns, f"{output_uri}/{table}")
        log_progress(f"wrote {table}")

    sessions = measure(request, classified, written)
    metrics = {"batch_id": request.batch_id, "engine": engine, "sessions": sessions}
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
