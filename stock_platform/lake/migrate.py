"""Rename columns and checks of version 0.1.0 in the Parquet objects of the lake.

Each object is replaced as a whole, and objects with the new names are left alone. A migration that
was killed is therefore resumed by running it again.
"""

import hashlib
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Final

import orjson
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from stock_platform.contracts import ASSET_CHECK_RESULT, FACT_STOCK_PRICE
from stock_platform.contracts.renamed import RENAMED_CHECKS, outdated_columns
from stock_platform.lake import check_results, files, load_ledger
from stock_platform.lake.files import CorruptObjectError
from stock_platform.lake.load_ledger import EARLIER_DIGEST
from stock_platform.lake.paths import LakePaths
from stock_platform.lake.publish import published_sessions

_FACT: Final = FACT_STOCK_PRICE.name
_CHECK_NAME: Final = ASSET_CHECK_RESULT.column_names.index("CheckName")


@dataclass(frozen=True)
class Migration:
    """Result of a migration.

    Attributes:
        changes: kinds of data that were changed, or would be by a dry run, with their number.
        problems: one sentence per object that could not be changed.
    """

    changes: list[str]
    problems: list[str]


def migrate(paths: LakePaths, *, dry_run: bool) -> Migration:
    """Migrate processed prices, their loaded copies and check results.

    Must not run while a job writes to the lake.
    """
    changes, problems = [], []

    def attempt(migrate_one: Callable[..., int], key: str) -> int:
        try:
            return migrate_one(paths, key, dry_run=dry_run)
        except CorruptObjectError as error:
            problems.append(str(error))
            return 0

    columns, checks = "objects with old column names", "check results with old names"
    processed, loaded = paths.processed_prices_folder(), paths.loaded_folder(_FACT)
    for migrate_one, keys, text in (
        (_migrate_prices, published_sessions(paths), f"{processed}: {columns}"),
        (_migrate_loaded, load_ledger.sessions(paths, _FACT), f"{loaded}: {columns}"),
        (_migrate_results, check_results.days(paths), f"{paths.check_results_folder()}: {checks}"),
    ):
        if changed := sum(files.map_concurrently(partial(attempt, migrate_one), keys)):
            changes.append(f"{text}: {changed:,}")
    return Migration(changes, sorted(problems))


def rename_checks(results: pa.Table) -> pa.Table:
    """Return check results under their new names. Results that already have them win."""
    is_outdated = pc.is_in(results["CheckName"], pa.array(RENAMED_CHECKS))
    outdated = results.filter(is_outdated)
    names = [RENAMED_CHECKS[name] for name in outdated["CheckName"].to_pylist()]
    renamed = outdated.set_column(
        _CHECK_NAME, results.schema.field(_CHECK_NAME), pa.array(names, pa.string())
    )
    return check_results.merge(renamed, results.filter(pc.invert(is_outdated)))


def _migrate_prices(paths: LakePaths, session: str, *, dry_run: bool) -> int:
    uri = paths.processed("stock_prices", session)
    renamed = _rename_columns(uri)
    if renamed and not dry_run:
        files.write(uri, renamed[1])
    return int(renamed is not None)


def _migrate_loaded(paths: LakePaths, session: str, *, dry_run: bool) -> int:
    """Migrate the copy of a loaded session, and the digest in its manifest.

    While the object is replaced, its manifest has both digests, so that the object stays
    verifiable if the process dies.
    """
    uri, manifest_uri = paths.loaded(_FACT, session), paths.loaded_manifest(_FACT, session)
    renamed = _rename_columns(uri)
    if renamed is None:
        if not dry_run:
            _remove_earlier_digest(manifest_uri)
        return 0
    digest, new_digest = (hashlib.sha256(content).hexdigest() for content in renamed)
    try:
        manifest = orjson.loads(files.read(manifest_uri))
        is_intact = digest in (manifest["sha256"], manifest.get(EARLIER_DIGEST))
    except (AttributeError, FileNotFoundError, KeyError, TypeError, ValueError) as error:
        raise CorruptObjectError(f"{manifest_uri} is missing or cannot be read") from error
    if not is_intact:
        raise CorruptObjectError(f"{uri} differs from the object that was loaded")
    if not dry_run:
        manifest |= {"sha256": new_digest, EARLIER_DIGEST: digest}
        files.write(manifest_uri, orjson.dumps(manifest))
        files.write(uri, renamed[1])
        _remove_earlier_digest(manifest_uri)
    return 1


def _remove_earlier_digest(manifest_uri: str) -> None:
    """Remove the digest of the replaced object, unless the manifest is damaged."""
    with suppress(FileNotFoundError, ValueError):
        manifest = orjson.loads(files.read(manifest_uri))
        if isinstance(manifest, dict) and manifest.pop(EARLIER_DIGEST, None):
            files.write(manifest_uri, orjson.dumps(manifest))


def _migrate_results(paths: LakePaths, day: str, *, dry_run: bool) -> int:
    results = check_results.read(paths, day)
    outdated: int = pc.sum(pc.is_in(results["CheckName"], pa.array(RENAMED_CHECKS))).as_py() or 0
    if outdated and not dry_run:
        check_results.replace(paths, day, rename_checks(results))
    return outdated


def _rename_columns(uri: str) -> tuple[bytes, bytes] | None:
    """Return an object with prices before and after, or None if there is nothing to rename.

    Raises:
        CorruptObjectError: the object cannot be read.
    """
    try:
        content = files.read(uri)
    except FileNotFoundError:
        return None
    try:
        rows = pq.read_table(pa.BufferReader(content))
    except (OSError, ValueError) as error:  # pyarrow's errors are of either
        raise CorruptObjectError(f"{uri} cannot be read: {error}") from error
    new_names = outdated_columns(FACT_STOCK_PRICE, rows.column_names)
    if not new_names:
        return None
    # Without metadata, because Spark stores its own copy of the schema there.
    renamed = rows.rename_columns([new_names.get(name, name) for name in rows.column_names])
    buffer = pa.BufferOutputStream()
    pq.write_table(renamed.replace_schema_metadata(None), buffer, compression="zstd")
    return content, bytes(buffer.getvalue())
