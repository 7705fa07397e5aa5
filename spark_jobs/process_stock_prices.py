"""The Spark job: raw price lines of some sessions to as-traded prices in Parquet.

    process_stock_prices.py --request URI --output STAGING_URI

One self-contained file of pyspark and the standard library, because it is uploaded alone to
Dataproc Serverless (runtime 2.3: Spark 3.5, Python 3.11). The same file runs on classic local Spark
and, over Spark Connect, on Sail. Here belongs what happens to a line; not which sessions are asked
for, where the lake lies, or whether the counts are good enough: the orchestrator decides those.

`request.json` is `{"batch_id", "inputs": {session: URI of its prices.json.gz}, "symbols": [...]}`.
Under STAGING_URI are written, in this order: `lines/`, every line with its verdict (scratch, so
that the JSON is parsed once: Sail's `cache()` does nothing); `stock_prices/`, `corporate_actions/`
and `quarantine/`, each `date=YYYY-MM-DD/` with one file a session; and `metrics.json/`, a folder
with one text file of one line. When the metrics exist the batch is complete.

Every line that is not blank ends in exactly one place, so for each session
`lines_read == valid + sum(quarantined) + sum(without_bar)`. The first broken rule of
`identity_rules`, then of `price_rules`, then `duplicate` is a line's reason.

Where Spark 3.5 and Sail 0.7 differ, measured 2026-11-22, and what is done instead:
- what is JSON (NaN, `{} trailing`, `{'a'}`, 1e400): Python's parser decides, on both;
- `input_file_name` is missing on Sail and its text reader finds no session in a list of paths:
  files are read whole as `binaryFile`, which names them, and split here. Sail answers a file
  twice where it cuts the list between cores (253 rows for 252 files): hence `dropDuplicates`;
- Sail's writer drops every sort, but keeps a window's order, as Spark's does: `latest_by`;
- a missing path reads as no rows on Sail: `require_every_session`.
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
# Yahoo rounds each of open, high, low and close on its own: real bars miss by less than this.
OHLC_TOLERANCE = 1e-4
# Above 2^53 a double no longer counts single shares.
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
PRICE = (*TRADE, "ExchangeCode", *OHLC, "Volume", "AdjClose", *SOURCE)
ACTION = (*TRADE, "ActionType", "Value", *SOURCE)
QUARANTINE = ("SessionDate", "Ticker", "Reason", "Record", "BatchId")


@dataclass(frozen=True)
class Request:
    """What the orchestrator asks for: raw files by session, and the symbols it asked Yahoo for."""

    batch_id: str
    inputs: dict[str, str]
    symbols: list[str]


def read_request(spark: SparkSession, uri: str) -> Request:
    """Reads request.json through Spark, which can read `gs://` where Python alone cannot.

    Raises:
        ValueError: There is no such file, or an input does not lie in its session's folder.
    """
    row = spark.read.text(uri, wholetext=True).first()
    if row is None:
        raise ValueError(f"There is no request at {uri}.")
    request = Request(**json.loads(row[0]))
    for session, path in request.inputs.items():
        if path.rsplit("/", 2)[-2:-1] != [f"date={session}"]:
            raise ValueError(f"The input of {session} must lie in a folder date={session}: {path}.")
    return request


def json_lines(path: str, content: bytes) -> list[tuple[str, bool]]:
    """The lines of one gzip file that are not blank, each with whether it is a JSON object.

    Raises:
        ValueError: The file is not whole gzip, for example cut off.
    """

    def refuse(text: str) -> float:
        raise ValueError(text)

    def finite(text: str) -> float:
        number = float(text)
        return number if math.isfinite(number) else refuse(text)

    decoder = json.JSONDecoder(parse_float=finite, parse_int=finite, parse_constant=refuse)

    def is_object(line: str) -> bool:
        try:
            return isinstance(decoder.decode(line), dict)
        except (ValueError, RecursionError):
            return False

    try:
        text = gzip.decompress(content).decode("utf-8", "replace")
    except (OSError, EOFError) as error:
        raise ValueError(f"{path} is not a whole gzip file: {error}") from error
    return [(line, is_object(line)) for line in text.split("\n") if line.strip()]


def read_lines(spark: SparkSession, uris: Sequence[str]) -> DataFrame:
    """One row a line: date (of the folder it lies in), Record, IsJson.

    A file without lines is one row whose Record is null, so that every file read is seen.
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
    """Whether a text is null, empty or spaces."""
    return fn.coalesce(fn.trim(name), fn.lit("")) == ""


def positive(value: Column) -> Column:
    """The value where it is above zero and finite, else null."""
    return fn.when((value > 0) & (value < INFINITY), value)


def split_factor() -> Column:
    """Product of the ratios of all splits after the session; null when one of them is not usable.

    Yahoo divides prices and cash by it, and multiplies volume, as of the fetch.
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
    """Adds the fields of the raw line, as answered, with FetchedAt and the split Factor."""
    is_time = fn.col("fetched_at").rlike(r"^\d{4}-\d{2}-\d{2}T")
    return (
        lines.withColumn("raw", fn.from_json(fn.when(fn.col("IsJson"), fn.col("Record")), RAW_LINE))
        .select("date", "Record", "IsJson", "raw.*")
        .withColumn("FetchedAt", fn.when(is_time, fn.col("fetched_at").cast("timestamp")))
        .withColumn("Factor", split_factor())
    )


def as_traded(parsed: DataFrame) -> DataFrame:
    """Undoes the later splits: prices x Factor, shares / Factor rounded half up to whole shares.

    Yahoo's volumes are whole, and a fraction left by its own division is rounded away here too.
    AdjClose stays as answered, null where it is not a positive number.
    """
    shares = fn.col("bar.volume") / fn.col("Factor")
    countable = (shares >= 0) & (shares < VOLUME_LIMIT)
    prices = {name: fn.col(f"bar.{name.lower()}") for name in OHLC}
    return parsed.withColumns(
        {
            **{name: answered * fn.col("Factor") for name, answered in prices.items()},
            "Volume": fn.round(fn.when(countable, shares)).cast("bigint"),
            "AdjClose": positive(fn.col("bar.adj_close")),
        }
    )


def identity_rules(symbols: Sequence[str]) -> dict[str, Column]:
    """Reasons, in order, why a line cannot be laid to a ticker and session; true where broken."""
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
    """Reasons, in order, why a line that claims a bar has no good price; true where broken."""
    answered = [f"bar.{name}" for name in ("open", "high", "low", "close", "volume")]
    as_traded_prices = map(fn.col, OHLC)
    too_low = fn.col("High") < fn.greatest("Open", "Low", "Close") * (1 - OHLC_TOLERANCE)
    too_high = fn.col("Low") > fn.least("Open", "High", "Close") * (1 + OHLC_TOLERANCE)
    return {
        "bar_on_closed_session": fn.col("outcome") == "no_session",
        "live_bar": fn.col("outcome") == "live_bar",
        "null_bar": reduce(
            or_, (fn.col(name).isNull() for name in answered), fn.col("outcome") == "null_bar"
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
    """The name of the first rule that is true, else null."""
    return fn.coalesce(*(fn.when(broken, fn.lit(reason)) for reason, broken in rules.items()))


def actions_of_line() -> Column:
    """The line's corporate actions, Value null where it is not usable.

    Yahoo divides cash by the later splits too, so as-traded cash is answered x Factor.
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


def judge(lines: DataFrame, request: Request) -> DataFrame:
    """One row a line with its verdict, all columns of the outputs, and its Actions.

    Reason is set where the line is quarantined, WithoutBar where it is counted by outcome; where
    both are null the line is a price, or the loser among duplicates.
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

    Equal fetch times are settled by the line's text. The window is over a session and not over a
    key so that it also leaves a session in one place and in order, which both writers keep.
    """
    order = Window.partitionBy("date").orderBy(*keys, fn.desc("FetchedAt"), fn.desc("Record"))
    follows_its_like = reduce(
        and_, (fn.col(key).eqNullSafe(fn.lag(key).over(order)) for key in keys)
    )
    return rows.withColumn("IsLatest", ~follows_its_like)


def prices(judged: DataFrame) -> DataFrame:
    """Lines that are good prices, in order of Ticker, with IsLatest telling duplicates apart."""
    is_price = fn.col("Record").isNotNull() & fn.col("Reason").isNull()
    return latest_by(judged.where(is_price & fn.col("WithoutBar").isNull()), "Ticker")


def corporate_actions(judged: DataFrame) -> DataFrame:
    """One row an action, of any line that has a ticker and session; Value null where not usable.

    Its Currency is the quote's, unless a dividend names its own.
    """
    actions = judged.withColumn("action", fn.explode("Actions")).select("*", "action.*")
    return actions.withColumn("Currency", fn.coalesce("PaidIn", "Currency"))


def latest_actions(judged: DataFrame) -> DataFrame:
    """The usable actions, one a ticker, session and type, in that order."""
    usable = corporate_actions(judged).where(fn.col("Value").isNotNull())
    return latest_by(usable, "Ticker", "ActionType").where("IsLatest")


def quarantine(judged: DataFrame) -> DataFrame:
    """One row a rejected line, a good price that a later fetch replaced, or an unusable action.

    An unusable action does not condemn its line: a good price may stand in the same one.
    """
    rejected = judged.where(fn.col("Reason").isNotNull())
    replaced = prices(judged).where(~fn.col("IsLatest")).withColumn("Reason", fn.lit("duplicate"))
    unusable = corporate_actions(judged).where(fn.col("Value").isNull())
    unusable = unusable.withColumn("Reason", fn.lit(BAD_ACTION))
    rows = rejected.select(judged.columns)
    for others in (replaced, unusable):
        rows = rows.unionByName(others.select(judged.columns))
    return rows.withColumnRenamed("TradeDate", "SessionDate").repartition("date")


def write_sessions(rows: DataFrame, columns: Sequence[str], uri: str) -> DataFrame:
    """Writes one file a session and returns what was written, read back."""
    chosen = rows.select("date", *columns)
    writer = chosen.write.mode("overwrite").option("compression", "zstd")
    writer.partitionBy("date").parquet(uri)
    return chosen.sparkSession.read.schema(chosen.schema).parquet(uri)


def require_every_session(request: Request, seen: set[str]) -> None:
    """Fails when a file was not read: Sail reads a missing path as no rows.

    Raises:
        FileNotFoundError: Names the first of the sessions and files that are missing.
    """
    missing = [f"{day} ({uri})" for day, uri in request.inputs.items() if day not in seen]
    if missing:
        raise FileNotFoundError(f"{len(missing)} inputs do not exist: {', '.join(missing[:5])}")


def counts(rows: DataFrame, *keys: str) -> list[Any]:
    """Rows by session and keys: (session, *keys, count)."""
    return rows.groupBy(fn.col("date").cast("string"), *keys).count().collect()


def measure(request: Request, judged: DataFrame, written: dict[str, DataFrame]) -> dict[str, Any]:
    """What became of each session's lines; rows are counted where they were written.

    An action that is not usable is a row of the quarantine, but no line of its own: it counts
    apart from `quarantined`.
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
    for session, outcome, lines in counts(judged.where("Record IS NOT NULL"), "WithoutBar"):
        sessions[session]["lines_read"] += lines
        if outcome is not None:
            sessions[session]["without_bar"][outcome] = lines
    priced = written["stock_prices"].withColumn("unadjusted", fn.col("AdjClose").isNull())
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
        output_uri: The batch's staging prefix; what an earlier attempt left is overwritten.
        engine: What runs it, as the metrics shall tell.
        log: Takes a line of progress.

    Raises:
        ValueError: The request is not usable.
        FileNotFoundError: An input does not exist.
    """
    started = time.monotonic()

    def tell(what: str) -> None:
        log(f"{time.monotonic() - started:7.1f} s  {what}")

    spark.conf.set("spark.sql.session.timeZone", "UTC")
    # Spark's default, INT96, is loaded by nothing else as a moment in UTC.
    spark.conf.set("spark.sql.parquet.outputTimestampType", "TIMESTAMP_MICROS")

    request = read_request(spark, request_uri)
    lines = read_lines(spark, list(request.inputs.values()))
    verdicts = judge(lines, request)
    scratch = f"{output_uri}/lines"
    verdicts.write.mode("overwrite").option("compression", "zstd").parquet(scratch)
    judged = spark.read.schema(verdicts.schema).parquet(scratch)
    require_every_session(request, {row[0] for row in judged.select("date").distinct().collect()})
    tell(f"judged the lines of {len(request.inputs)} sessions")

    written = {}
    for table, rows, columns in (
        ("stock_prices", prices(judged).where("IsLatest"), PRICE),
        ("corporate_actions", latest_actions(judged), ACTION),
        ("quarantine", quarantine(judged), QUARANTINE),
    ):
        written[table] = write_sessions(rows, columns, f"{output_uri}/{table}")
        tell(f"wrote {table}")

    sessions = measure(request, judged, written)
    metrics = {"batch_id": request.batch_id, "engine": engine, "sessions": sessions}
    text = spark.createDataFrame([(json.dumps(metrics),)], "value string").coalesce(1)
    text.write.mode("overwrite").text(f"{output_uri}/metrics.json")
    tell(f"valid prices: {sum(session['valid'] for session in sessions.values())}")


def main(argv: Sequence[str]) -> None:
    """Runs the job in the session that spark-submit, or the environment, provides."""
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
