"""The Spark job: turns raw price records of some sessions into as-traded prices in Parquet.

    process_stock_prices.py --request URI --output STAGING_URI

One self-contained file that needs only pyspark and the standard library, because it is uploaded
alone to Dataproc Serverless (runtime 2.3: Spark 3.5, Python 3.11). The same file runs on classic
local Spark and, over Spark Connect, on Sail. Belongs here: the processing of a record. Which
sessions to process, the layout of the lake and the rating of the counts belong to the orchestrator.

`request.json` is `{"batch_id", "inputs": {session: URI of its prices.json.gz}, "symbols": [...]}`.
The job writes under STAGING_URI, in this order: `lines/`, every line with its classification
(scratch, so that the JSON is parsed once: `cache()` has no effect on Sail); `stock_prices/`,
`corporate_actions/` and `quarantine/`, each with one file per session in `date=YYYY-MM-DD/`; and
`metrics.json/`, a folder with one text file of one line. A batch with metrics is complete.

Every non-blank line ends in exactly one place, so for each session
`lines_read == valid + sum(quarantined) + sum(without_bar)`. The reason of a rejected line is the
first broken rule of `identity_rules`, then of `price_rules`, then `duplicate`.

Differences between Spark 3.5 and Sail 0.7, measured on 2026-11-22, and their workarounds:
- They disagree on what is JSON (NaN, `{} trailing`, `{'a'}`, 1e400): Python's parser decides.
- Sail lacks `input_file_name`, and its text reader finds no session in a list of paths: files are
  read as a whole with `binaryFile`, which gives their names, and split here. Sail returns a file
  twice where it cuts the list between cores (253 rows for 252 files): hence `dropDuplicates`.
- Sail's writer ignores every sort, but keeps the order of a window, as Spark does: `latest_by`.
- Sail reads a missing path as no rows: `require_every_session`.
"""

import argparse
import gzip
import json
import math
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import and_, or_
from typing import Any

from pyspark.sql import Column, DataFrame, SparkSession, Window
from pyspark.sql import functions as fn

WITHOUT_BAR = ("no_session", "not_listed", "unknown_symbol", "throttled", "upstream_error")
OUTCOMES = ("ok", "null_bar", "live_bar", *WITHOUT_BAR)
# Yahoo rounds open, high, low and close separately; real bars are off by less than this.
OHLC_TOLERANCE = 1e-4
# Above 2^53 a double cannot represent every whole number of shares.
VOLUME_LIMIT = 2.0**53
INFINITY = math.inf
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
OHLC = ("Open", "High", "Low", "Close")
PRICE = (*TRADE, "ExchangeCode", *OHLC, "Volume", "YahooAdjClose", *SOURCE)
ACTION = (*TRADE, "ActionType", "Value", *SOURCE)
QUARANTINE = ("SessionDate", "Ticker", "Reason", "Record", "BatchId")


@dataclass(frozen=True)
class Request:
    """The request of the orchestrator: raw files by session, and the requested symbols."""

    batch_id: str
    inputs: dict[str, str]
    symbols: list[str]


def read_request(spark: SparkSession, uri: str) -> Request:
    """Reads request.json through Spark, because Python alone cannot read `gs://`.

    Raises:
        ValueError: The file is missing, or an input is not in its session's folder.
    """
    row = spark.read.text(uri, wholetext=True).first()
    if row is None:
        raise ValueError(f"There is no request at {uri}.")
    request = Request(**json.loads(row[0]))
    for session, path in request.inputs.items():
        if path.rsplit("/", 2)[-2:-1] != [f"date={session}"]:
            raise ValueError(f"The input of {session} must be in a folder date={session}: {path}.")
    return request


def json_lines(path: str, content: bytes) -> list[tuple[str, bool]]:
    """Returns the non-blank lines of a gzip file, each with whether it is a JSON object.

    Raises:
        ValueError: The file is not complete gzip, for example truncated.
    """

    def reject(text: str) -> float:
        raise ValueError(text)

    def finite(text: str) -> float:
        number = float(text)
        return number if math.isfinite(number) else reject(text)

    decoder = json.JSONDecoder(parse_float=finite, parse_int=finite, parse_constant=reject)

    def is_object(line: str) -> bool:
        try:
            return isinstance(decoder.decode(line), dict)
        except (ValueError, RecursionError):
            return False

    try:
        text = gzip.decompress(content).decode("utf-8", "replace")
    except (OSError, EOFError) as error:
        raise ValueError(f"{path} is not a complete gzip file: {error}") from error
    return [(line, is_object(line)) for line in text.split("\n") if line.strip()]


def read_lines(spark: SparkSession, uris: Sequence[str]) -> DataFrame:
    """Reads one row per line: date (from its folder), Record, IsJson.

    A file without lines gives one row whose Record is null, so that every file is accounted for.
    """
    split_lines = fn.udf(json_lines, "array<struct<Record: string, IsJson: boolean>>")
    files = spark.read.format("binaryFile").load(list(uris)).select("path", "content")
    return (
        files.dropDuplicates(["path"])
        .select(
            fn.regexp_extract("path", r"date=(\d{4}-\d{2}-\d{2})/[^/]*$", 1).alias("date"),
            fn.explode_outer(split_lines("path", "content")).alias("line"),
        )
        .select("date", "line.Record", "line.IsJson")
    )


def is_blank(name: str) -> Column:
    """True if a text is null, empty or blank."""
    return fn.coalesce(fn.trim(name), fn.lit("")) == ""


def positive(value: Column) -> Column:
    """The value if it is positive and finite, else null."""
    return fn.when((value > 0) & (value < INFINITY), value)


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
        .select("date", "Record", "IsJson", "raw.*")
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
    prices = {name: fn.col(f"bar.{name.lower()}") for name in OHLC}
    return parsed.withColumns(
        {
            **{name: price * fn.col("Factor") for name, price in prices.items()},
            "Volume": fn.round(fn.when(countable, shares)).cast("bigint"),
            "YahooAdjClose": positive(fn.col("bar.adj_close")),
        }
    )


def identity_rules(symbols: Sequence[str]) -> dict[str, Column]:
    """Conditions, by reason and in order, under which a line has no valid ticker and session."""
    return {
        "not_json": ~fn.col("IsJson"),
        "missing_field": reduce(
            or_,
            map(is_blank, ("symbol", "session_date", "outcome")),
            fn.col("FetchedAt").isNull(),
        ),
        "unknown_outcome": ~fn.col("outcome").isin(*OUTCOMES),
        "wrong_session": fn.col("session_date") != fn.col("date"),
        "unknown_ticker": ~fn.col("symbol").isin(list(symbols)),
    }


def price_rules() -> dict[str, Column]:
    """Conditions, by reason and in order, under which a line with a bar has no valid price."""
    received = [f"bar.{name}" for name in ("open", "high", "low", "close", "volume")]
    as_traded_prices = map(fn.col, OHLC)
    too_low = fn.col("High") < fn.greatest("Open", "Low", "Close") * (1 - OHLC_TOLERANCE)
    too_high = fn.col("Low") > fn.least("Open", "High", "Close") * (1 + OHLC_TOLERANCE)
    return {
        "bar_on_closed_session": fn.col("outcome") == "no_session",
        "live_bar": fn.col("outcome") == "live_bar",
        "null_bar": reduce(
            or_, (fn.col(name).isNull() for name in received), fn.col("outcome") == "null_bar"
        ),
        "missing_currency": is_blank("currency"),
        "missing_exchange": is_blank("exchange"),
        "bad_later_split": fn.col("Factor").isNull(),
        "non_positive_price": reduce(or_, (positive(price).isNull() for price in as_traded_prices)),
        "negative_volume": fn.col("bar.volume") < 0,
        "volume_too_large": fn.col("Volume").isNull(),
        "ohlc_inconsistent": too_low | too_high,
    }


def first_broken(rules: dict[str, Column]) -> Column:
    """The name of the first condition that is true, else null."""
    return fn.coalesce(*(fn.when(broken, fn.lit(reason)) for reason, broken in rules.items()))


def actions_of_line() -> Column:
    """The corporate actions of a line, with a null Value if unusable.

    Yahoo divides cash by the later splits as well, so as-traded cash is the received one x Factor.
    """
    values = {
        "dividend": fn.col("dividend") * fn.col("Factor"),
        "capital_gain": fn.col("capital_gain") * fn.col("Factor"),
        "split": positive(fn.col("split.numerator")) / positive(fn.col("split.denominator")),
    }
    actions = (
        fn.when(
            fn.col(kind).isNotNull(),
            fn.struct(
                fn.lit(kind).alias("ActionType"),
                positive(value).alias("Value"),
                (fn.col("dividend_currency") if kind == "dividend" else fn.lit(None))
                .cast("string")
                .alias("PaidIn"),
            ),
        )
        for kind, value in values.items()
    )
    return fn.filter(fn.array(*actions), lambda action: action.isNotNull())


def classify(lines: DataFrame, request: Request) -> DataFrame:
    """Classifies each line: one row with all columns of the outputs, and its Actions.

    Reason is set for a quarantined line, WithoutBar for a line that is counted by outcome. If both
    are null, the line is a price or an older duplicate.
    """
    identity = first_broken(identity_rules(request.symbols))
    is_line = fn.col("Record").isNotNull()
    is_closed_with_price = (fn.col("outcome") == "no_session") & fn.col("bar.close").isNotNull()
    without_bar = fn.when(
        fn.col("outcome").isin(*WITHOUT_BAR) & ~is_closed_with_price, fn.col("outcome")
    )
    return (
        as_traded(parse(lines))
        .withColumn("Identity", identity)
        .withColumn("WithoutBar", fn.when(fn.col("Identity").isNull(), without_bar))
        .withColumn("Price", fn.when(fn.col("WithoutBar").isNull(), first_broken(price_rules())))
        .withColumn("Reason", fn.when(is_line, fn.coalesce("Identity", "Price")))
        .withColumn("Actions", fn.when(fn.col("Identity").isNull(), actions_of_line()))
        .withColumn("DateKey", fn.regexp_replace("date", "-", "").cast("bigint"))
        .withColumn("TradeDate", fn.col("date").cast("date"))
        .withColumn("BatchId", fn.lit(request.batch_id))
        .withColumnsRenamed({"symbol": "Ticker", "exchange": "ExchangeCode"})
        .select("date", "Record", "WithoutBar", "Reason", "Actions", *PRICE)
    )


def latest_by(rows: DataFrame, *keys: str) -> DataFrame:
    """Orders each session by the keys and adds IsLatest: the latest fetch of its key.

    The text of the line breaks ties of fetch times. The window spans a session rather than a key,
    so that it also keeps the session together and in order, which both writers preserve.
    """
    order = Window.partitionBy("date").orderBy(*keys, fn.desc("FetchedAt"), fn.desc("Record"))
    repeats_key = reduce(and_, (fn.col(key).eqNullSafe(fn.lag(key).over(order)) for key in keys))
    return rows.withColumn("IsLatest", ~repeats_key)


def prices(classified: DataFrame) -> DataFrame:
    """Valid prices in order of Ticker; IsLatest is false for older duplicates."""
    is_price = fn.col("Record").isNotNull() & fn.col("Reason").isNull()
    return latest_by(classified.where(is_price & fn.col("WithoutBar").isNull()), "Ticker")


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
    rejected = classified.where(fn.col("Reason").isNotNull())
    replaced = (
        prices(classified).where(~fn.col("IsLatest")).withColumn("Reason", fn.lit("duplicate"))
    )
    unusable = corporate_actions(classified).where(fn.col("Value").isNull())
    unusable = unusable.withColumn("Reason", fn.lit(BAD_ACTION))
    rows = rejected.select(classified.columns)
    for others in (replaced, unusable):
        rows = rows.unionByName(others.select(classified.columns))
    return rows.withColumnRenamed("TradeDate", "SessionDate").repartition("date")


def write_sessions(rows: DataFrame, columns: Sequence[str], uri: str) -> DataFrame:
    """Writes one file per session, and returns the rows read back."""
    chosen = rows.select("date", *columns)
    writer = chosen.write.mode("overwrite").option("compression", "zstd")
    writer.partitionBy("date").parquet(uri)
    return chosen.sparkSession.read.schema(chosen.schema).parquet(uri)


def require_every_session(request: Request, seen: set[str]) -> None:
    """Verifies that every file was read, because Sail reads a missing path as no rows.

    Raises:
        FileNotFoundError: Names the first missing sessions and files.
    """
    missing = [f"{day} ({uri})" for day, uri in request.inputs.items() if day not in seen]
    if missing:
        raise FileNotFoundError(f"{len(missing)} inputs do not exist: {', '.join(missing[:5])}")


def counts(rows: DataFrame, *keys: str) -> list[Any]:
    """Counts rows by session and keys: (session, *keys, count)."""
    return rows.groupBy(fn.col("date").cast("string"), *keys).count().collect()


def measure(
    request: Request, classified: DataFrame, written: dict[str, DataFrame]
) -> dict[str, Any]:
    """Measures each session: lines by classification, and rows as written.

    An unusable action is a row of the quarantine but not a line, so it is counted separately from
    `quarantined`.
    """
    sessions: dict[str, dict[str, Any]] = {
        session: {
            "lines_read": 0,
            "valid": 0,
            "quarantined": {},
            "without_bar": {},
            "corporate_actions": 0,
            "bad_corporate_actions": 0,
            "adj_close_unusable": 0,
        }
        for session in sorted(request.inputs)
    }
    for session, outcome, count in counts(classified.where("Record IS NOT NULL"), "WithoutBar"):
        sessions[session]["lines_read"] += count
        if outcome is not None:
            sessions[session]["without_bar"][outcome] = count
    priced = written["stock_prices"].withColumn("unadjusted", fn.col("YahooAdjClose").isNull())
    for session, unadjusted, rows in counts(priced, "unadjusted"):
        sessions[session]["valid"] += rows
        sessions[session]["adj_close_unusable"] += rows if unadjusted else 0
    for session, rows in counts(written["corporate_actions"]):
        sessions[session]["corporate_actions"] = rows
    for session, reason, rows in counts(written["quarantine"], "Reason"):
        if reason == BAD_ACTION:
            sessions[session]["bad_corporate_actions"] = rows
        else:
            sessions[session]["quarantined"][reason] = rows
    return sessions


def run(
    spark: SparkSession,
    request_uri: str,
    output_uri: str,
    engine: str,
    log: Callable[[str], object] = print,
) -> None:
    """Processes one request, from its file to the metrics.

    Args:
        spark: Classic or Connect session.
        request_uri: The request.json.
        output_uri: The staging prefix of the batch. Files of an earlier attempt are overwritten.
        engine: Name of the engine, for the metrics.
        log: Receives progress messages.

    Raises:
        ValueError: The request is invalid.
        FileNotFoundError: An input does not exist.
    """
    started = time.monotonic()

    def log_progress(message: str) -> None:
        log(f"{time.monotonic() - started:7.1f} s  {message}")

    spark.conf.set("spark.sql.session.timeZone", "UTC")
    # Other readers do not load Spark's default, INT96, as a time in UTC.
    spark.conf.set("spark.sql.parquet.outputTimestampType", "TIMESTAMP_MICROS")

    request = read_request(spark, request_uri)
    lines = read_lines(spark, list(request.inputs.values()))
    rows = classify(lines, request)
    scratch = f"{output_uri}/lines"
    rows.write.mode("overwrite").option("compression", "zstd").parquet(scratch)
    classified = spark.read.schema(rows.schema).parquet(scratch)
    require_every_session(
        request, {row[0] for row in classified.select("date").distinct().collect()}
    )
    log_progress(f"classified the lines of {len(request.inputs)} sessions")

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
