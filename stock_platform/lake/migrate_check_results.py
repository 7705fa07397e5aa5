"""Rename the checks of version 0.1.0 in the check results of the lake.

Each object is replaced as a whole, and results with the new names are left alone. A migration that
was killed is therefore resumed by running it again.
"""

from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from stock_platform.contracts import ASSET_CHECK_RESULT
from stock_platform.contracts.renamed import RENAMED_CHECKS
from stock_platform.lake import check_results, files
from stock_platform.lake.files import CorruptObjectError
from stock_platform.lake.paths import LakePaths

_CHECK_NAME: Final = ASSET_CHECK_RESULT.column_names.index("CheckName")


def migrate_check_results(paths: LakePaths, *, dry_run: bool) -> tuple[int, list[str]]:
    """Rename checks. Return the number of results, and one sentence per damaged object.

    Must not run while a job writes to the lake.
    """
    problems: list[str] = []

    def migrate_day(day: str) -> int:
        try:
            results = check_results.read(paths, day)
        except CorruptObjectError as error:
            problems.append(str(error))
            return 0
        outdated = count_outdated(results)
        if outdated and not dry_run:
            check_results.replace(paths, day, rename_checks(results))
        return outdated

    renamed = sum(files.map_concurrently(migrate_day, check_results.days(paths)))
    return renamed, sorted(problems)


def count_outdated(results: pa.Table) -> int:
    """Return the number of results under old names."""
    return pc.sum(pc.is_in(results["CheckName"], pa.array(RENAMED_CHECKS))).as_py() or 0


def rename_checks(results: pa.Table) -> pa.Table:
    """Return check results under their new names. Results that already have them win."""
    is_outdated = pc.is_in(results["CheckName"], pa.array(RENAMED_CHECKS))
    outdated = results.filter(is_outdated)
    names = [RENAMED_CHECKS[name] for name in outdated["CheckName"].to_pylist()]
    renamed = outdated.set_column(
        _CHECK_NAME, results.schema.field(_CHECK_NAME), pa.array(names, pa.string())
    )
    return check_results.merge(renamed, results.filter(pc.invert(is_outdated)))
