"""stock_platform: daily stock prices from Yahoo Finance to a star schema, as one asset graph.

The way of the data, and the room for each step::

    sources/      the outside world: Yahoo (or the bundled sample), ERP files
    lake/         where every object lies, and how a partition is published
    spark/        running the job of spark_jobs/ on Sail, local Spark or Dataproc
    warehouse/    the star schema behind a few verbs; SQL written once, in GoogleSQL
    settings/     the only reader of the environment
    google/       credentials and error remedies of Google Cloud
    orchestration/  partitions, resources and metadata of Dagster
    io_managers/  how an asset's value becomes lake objects or warehouse rows
    assets/       the graph: raw, processed, dimensions, facts
    quality/      rules (pure) and the checks that bind them to assets
    automation/   jobs, schedules, sensors
    orchestration/dagster_internals/  code that depends on private parts of Dagster
    quality/      rules (pure), the measurements they evaluate, and the report
    orchestration/ the registry of checks, how Dagster executes them, and their results
    automation/   jobs, schedules, guards against days that are no session
    contracts/    each table once: columns, types, units, key
    definitions   the table of contents that Dagster loads

Imports point from definitions down this list to settings, never back. This package's
``__init__`` imports nothing.
"""
