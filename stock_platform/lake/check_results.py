"""Check results in the lake: one object per day, with the results of all runs created that day.

Dagster deletes results together with its events, and a warehouse may be lost. Here a result is
never deleted, and only replaced by its own run.
"""

from datetime import datetime

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from stock_platform.contracts import ASSET_CHECK_RESULT
from stock_platform.contracts.render import arrow_schema
from stock_platform.lake import files
from stock_platform.lake.files import CorruptObjectError
from stock_platform.lake.paths import LakePaths

_SCHEMA = arrow_schema(ASSET_CHECK_RESULT)
_KEY = list(ASSET_CHECK_RESULT.key)


def days(paths: LakePaths) -> list[str]:
    """Return the days with check results, ascending."""
    return files.list_sessions_with(paths.check_results_folder(), "part-00000.parquet")


def read(paths: LakePaths, day: str) -> pa.Table:
    """Read the check results of a day's runs. Empty if there are none.

    Raises:
        CorruptObjectError: the object cannot be read.
    """
    uri = paths.check_results(day)
    try:
        content = files.read(uri)
        rows = pq.read_table(pa.BufferReader(content), page_checksum_verification=True)
        return rows.cast(_SCHEMA)
    except FileNotFoundError:
        return _SCHEMA.empty_table()
    except (OSError, ValueError) as error:  # pyarrow's errors are of either
        raise CorruptObjectError(
            f"{uri} cannot be read: {error}. Restore an older version, or delete it: the next "
            "quality_report writes it again from the warehouse and Dagster"
        ) from error


def add(paths: LakePaths, day: str, rows: pa.Table) -> pa.Table:
    """Add results of a day's runs, replacing those with equal keys. Return all results.

    Must not run in two processes at once.
    """
    known = read(paths, day)
    if not rows.num_rows:
        return known
    merged = merge(known, rows)
    if not merged.equals(known):
        replace(paths, day, merged)
    return merged


def merge(known: pa.Table, rows: pa.Table) -> pa.Table:
    """Return the known results with those of equal keys replaced, ordered by the key."""
    others = known.join(rows.select(_KEY), keys=_KEY, join_type="left anti")
    merged = pa.concat_tables([others.select(_SCHEMA.names).cast(_SCHEMA), rows])
    return merged.sort_by([(name, "ascending") for name in _KEY])


def replace(paths: LakePaths, day: str, rows: pa.Table) -> None:
    """Replace all results of a day's runs."""
    buffer = pa.BufferOutputStream()
    pq.write_table(rows, buffer, compression="zstd", write_page_checksum=True)
    files.write(paths.check_results(day), bytes(buffer.getvalue()))


def newest(paths: LakePaths) -> datetime | None:
    """Return the time of the newest result, or None if there is none."""
    known = days(paths)
    if not known:
        return None
    when: datetime | None = pc.max(read(paths, known[-1])["EvaluatedAt"]).as_py()
    return when
