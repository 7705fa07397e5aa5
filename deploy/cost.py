"""What the platform costs a month on Google Cloud: `make cost` prints docs/cost.md's table.

Belongs here: list prices, measured sizes and their arithmetic. Nothing of it runs in the platform,
which tells what each run cost by itself.
"""

from dataclasses import dataclass
from typing import Final

# List prices in US dollars, europe-west1 where regions differ, as known on 2026-11-25. Of the free
# allowances only those of BigQuery, Cloud Logging and metrics count: the use is far below them.
VM_MONTH: Final = {"e2-medium": 26.90, "e2-standard-2": 53.80}
DATABASE_MONTH: Final = {"db-f1-micro": 8.40, "db-g1-small": 27.70, "db-custom-1-3840": 53.40}
DISKS_MONTH: Final = 20 * 0.10 + 10 * 0.187  # the machine's balanced disk, the database's SSD
NAT_MONTH: Final = 730 * 0.0014 + 730 * 0.005  # gateway for one machine, and its address
DCU_HOUR: Final = 0.06
GB_MONTH: Final = {False: 0.020, True: 0.044}  # one region, two
TIB_SCANNED: Final = 6.25
FREE_TIB: Final = 1
ALERT_CONDITION_MONTH: Final = 0.10

SESSIONS_A_MONTH: Final = 21
SESSIONS_A_YEAR: Final = 252
YEARS: Final = 10
# Bytes of an object and of a line in it: sample lines multiplied to 5, 50, 500 and 5,000 symbols a
# session, gzip JSON with the verbatim answers, and zstd Parquet (2026-11-25).
RAW: Final = (300, 147)
PARQUET: Final = (5_500, 57)
# Prices, corporate actions, and both again as they were loaded.
PARQUET_OBJECTS: Final = 2
# A row in BigQuery's own bytes: 8 for a number, date or time, 2 and its length for a text.
ROW_BYTES: Final = 130
# Least that a query is billed for; queries of a daily run and its checks.
LEAST_SCAN: Final = 10 * 2**20
QUERIES_A_RUN: Final = 60
# The adjusted view's preview and plot, and checks over series, read the whole fact.
FULL_SCANS_A_RUN: Final = 6
# Dataproc's default footprint, and a batch's length: start-up and a minute's work.
DCU: Final = 12
BATCH_MINUTES: Final = {50: 3, 500: 3, 5_000: 4}
ALERT_CONDITIONS: Final = 8


@dataclass(frozen=True)
class Deployment:
    """A size of deployment, as terraform/environments has it."""

    name: str
    symbols: int
    machine: str
    database: str
    dual_region: bool


DEPLOYMENTS: Final = (
    Deployment("50 symbols", 50, "e2-standard-2", "db-g1-small", dual_region=False),
    Deployment("500 symbols", 500, "e2-standard-2", "db-custom-1-3840", dual_region=True),
    Deployment("5,000 symbols", 5_000, "e2-standard-2", "db-custom-1-3840", dual_region=True),
)


def lake_gb(symbols: int) -> float:
    """Of ten years: raw lines, and Parquet twice."""
    raw = RAW[0] + RAW[1] * symbols
    parquet = PARQUET_OBJECTS * (PARQUET[0] + PARQUET[1] * symbols)
    return (raw + parquet) * SESSIONS_A_YEAR * YEARS / 1e9


def scanned_tib(symbols: int) -> float:
    """In a month."""
    fact = ROW_BYTES * symbols * SESSIONS_A_YEAR * YEARS
    a_run = QUERIES_A_RUN * LEAST_SCAN + FULL_SCANS_A_RUN * max(fact, LEAST_SCAN)
    return SESSIONS_A_MONTH * a_run / 2**40


def month(it: Deployment) -> dict[str, float]:
    """US dollars by what they are for."""
    batch_hours = SESSIONS_A_MONTH * BATCH_MINUTES[it.symbols] / 60
    return {
        "machine": VM_MONTH[it.machine],
        "database": DATABASE_MONTH[it.database],
        "disks": DISKS_MONTH,
        "NAT": NAT_MONTH,
        "Dataproc": batch_hours * DCU * DCU_HOUR,
        "lake": lake_gb(it.symbols) * GB_MONTH[it.dual_region],
        "BigQuery, storage": ROW_BYTES * it.symbols * SESSIONS_A_YEAR * YEARS / 1e9 * 0.02,
        "BigQuery, queries": max(scanned_tib(it.symbols) - FREE_TIB, 0) * TIB_SCANNED,
        "alerts": ALERT_CONDITIONS * ALERT_CONDITION_MONTH,
    }


def table() -> str:
    """All of it in Markdown."""
    costs = [month(it) for it in DEPLOYMENTS]
    lines = [
        f"| US dollars a month | {' | '.join(it.name for it in DEPLOYMENTS)} |",
        "|---|" + "---:|" * len(DEPLOYMENTS),
        *(f"| {name} | {' | '.join(f'{it[name]:.2f}' for it in costs)} |" for name in costs[0]),
        f"| **together** | {' | '.join(f'**{sum(it.values()):.0f}**' for it in costs)} |",
        f"| lake, GB | {' | '.join(f'{lake_gb(it.symbols):.1f}' for it in DEPLOYMENTS)} |",
        f"| scanned, TiB | {' | '.join(f'{scanned_tib(it.symbols):.2f}' for it in DEPLOYMENTS)} |",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    print(table())  # noqa: T201 - what it is for
