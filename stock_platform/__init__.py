"""stock_platform: daily stock prices from Yahoo Finance to a star schema, as one asset graph.

The packages, each of which imports only from those above it::

    errors, plain_text   the base class of all exceptions; escaping of outside text
    contracts/           table contracts: columns, types, units, keys
    settings/            the only reader of the environment
    google/              credentials and error remedies of Google Cloud
    calendars            trading sessions of exchanges
    market_data/         the Yahoo client, the bundled sample, raw price records
    lake/                paths, atomic file operations, publication of partitions
    spark/               runners of the Spark job: Sail, local Spark, Dataproc
    warehouse/           the star schema in DuckDB or BigQuery; SQL in GoogleSQL
    erp/                 ERP exports, from CSV to company history
    quality/             rules (pure), measurements and the data quality page
    orchestration/       everything that knows Dagster: assets, checks, automation, monitoring
    definitions          the asset graph that Dagster loads
    cli/                 the command `stock-platform`

This module imports nothing.
"""
