"""Estimate of the monthly cost on Google Cloud; `make cost` prints the tables of docs/cost.md.

Belongs here: list prices, measured sizes and their arithmetic. The platform does not use this
module; its runs report their own cost.
"""

from dataclasses import dataclass
from typing import Final, NamedTuple


class Price(NamedTuple):
    """A list price in US dollars, and its page on cloud.google.com."""

    usd: float
    unit: str
    page: str


# For europe-west1 where regions differ, from stored copies of the pages, read on 2026-11-25.
MEMORY: Final = "from memory"
PRICES: Final = {
    "e2-medium": Price(26.90, "month", MEMORY),
    "e2-standard-2": Price(53.80, "month", MEMORY),
    "db-f1-micro": Price(8.40, "month", MEMORY),
    "db-g1-small": Price(27.70, "month", MEMORY),
    "db-custom-1-3840": Price(53.40, "month", MEMORY),
    "balanced disk": Price(0.10, "GB and month", MEMORY),
    "database's SSD": Price(0.187, "GB and month", MEMORY),
    "database's backups": Price(0.08, "GB and month", MEMORY),
    "NAT, per machine": Price(0.0014, "hour", "nat/pricing"),
    "NAT, per address": Price(0.005, "hour", "nat/pricing"),
    "NAT, traffic": Price(0.045, "GB", "nat/pricing"),
    "Dataproc": Price(0.06, "DCU and hour", "dataproc-serverless/pricing"),
    "Dataproc, shuffle": Price(0.04, "GB and month", MEMORY),
    "bucket": Price(0.020, "GB and month", "storage/pricing"),
    "bucket in two regions": Price(0.044, "GB and month", "storage/pricing"),
    "lists and writes": Price(5.0, "million", "storage/pricing-examples"),
    "lists and writes in two regions": Price(10.0, "million", MEMORY),
    "reads": Price(0.4, "million", "storage/pricing-examples"),
    "BigQuery, storage": Price(0.020, "GB and month", "bigquery/pricing"),
    "BigQuery, queries": Price(6.25, "TiB after the first", "bigquery/pricing"),
    "alerts": Price(0.10, "condition and month", MEMORY),
    "images": Price(0.10, "GB and month", MEMORY),
}
HOURS: Final = 730
SESSIONS_PER_MONTH: Final = 21
SESSIONS: Final = 2520  # ten years

# Bytes in the lake per session, and per session and symbol, measured with the command in
# docs/cost.md on the sample, 2026-11-27: raw records and verbatim responses; a part of prices, and
# the commit twice; check results; and one ERP export per session, verbatim and parsed. The second
# pair is an estimate: parts of 10 and 35 prices have 6,911 and 8,042 bytes, the commit of a session
# has 1,380, and a row of an earlier file had 71, without SecurityId. Compaction leaves less.
SESSION_BYTES: Final = (847 + 1_296) + (6_460 + 2 * 1_380) + 5_674 + 5_254
SYMBOL_BYTES: Final = (202 + 1_256) + 80 + 1 + 186
RESPONSE_BYTES: Final = 5_000  # per symbol and session, over the network
# BigQuery counts 8 bytes for a number, date or time, and 2 plus the length for text.
ROW_BYTES: Final = 130

# Table references in BigQuery queries per day: to small tables, to one month of prices, and to all
# prices. BigQuery bills at least 10 MB per reference.
REFERENCES: Final = {"small": 64, "month": 10, "whole": 9}
MIN_BILLED_BYTES: Final = 10 * 2**20

# Lake requests of sensors per month, counted on the emulator. Two sensors list the names of all raw
# runs, in pages of a thousand.
ERP_TICKS: Final = 120 * HOURS
WATCHING_TICKS: Final = 2 * 60 * HOURS
LISTS: Final = 8 * ERP_TICKS + -(-SESSIONS // 1_000) * WATCHING_TICKS
READS: Final = 2 * ERP_TICKS

# Dataproc's default size: 12 DCU and three disks of 400 GB. Minutes per batch include start-up.
DCU: Final = 12
SHUFFLE_GB: Final = 1_200
BATCH_MINUTES: Final = {50: 3, 500: 3, 5_000: 4}
MACHINE_DISK_GB: Final = 30
DATABASE_DISK_GB: Final = 10
IMAGES_GB: Final = 6  # estimate for ten images
ALERT_CONDITIONS: Final = 5


@dataclass(frozen=True)
class Deployment:
    """A deployment of one of the sizes in terraform/environments."""

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


def usd(price: str) -> float:
    """Return a list price in US dollars."""
    return PRICES[price].usd


def lake_gb(symbols: int) -> float:
    """Size of ten years in the lake, with one fetch and one load per session."""
    return (SESSION_BYTES + SYMBOL_BYTES * symbols) * SESSIONS / 1e9


def warehouse_gb(symbols: int) -> float:
    """Size of ten years of prices in the warehouse; the other tables are small."""
    return ROW_BYTES * symbols * SESSIONS / 1e9


def scanned_tib(symbols: int) -> float:
    """Bytes billed by BigQuery per month."""
    session = ROW_BYTES * symbols
    bytes_of = {
        "small": MIN_BILLED_BYTES,
        "month": max(MIN_BILLED_BYTES, session * SESSIONS_PER_MONTH),
        "whole": max(MIN_BILLED_BYTES, session * SESSIONS),
    }
    return (
        SESSIONS_PER_MONTH
        * sum(count * bytes_of[size] for size, count in REFERENCES.items())
        / 2**40
    )


def batches(symbols: int) -> float:
    """Cost of Dataproc batches per month, in US dollars."""
    hours = SESSIONS_PER_MONTH * BATCH_MINUTES[symbols] / 60
    return hours * (DCU * usd("Dataproc") + SHUFFLE_GB * usd("Dataproc, shuffle") / HOURS)


def month(deployment: Deployment) -> dict[str, float]:
    """Monthly cost in US dollars, by service."""
    stored, listed = (
        ("bucket in two regions", "lists and writes in two regions")
        if deployment.dual_region
        else ("bucket", "lists and writes")
    )
    traffic = RESPONSE_BYTES * deployment.symbols * SESSIONS_PER_MONTH / 1e9
    return {
        "machine": usd(deployment.machine) + MACHINE_DISK_GB * usd("balanced disk"),
        "database": usd(deployment.database)
        + DATABASE_DISK_GB * (usd("database's SSD") + usd("database's backups")),
        "NAT": HOURS * (usd("NAT, per machine") + usd("NAT, per address"))
        + traffic * usd("NAT, traffic"),
        "Dataproc": batches(deployment.symbols),
        "lake, storage": lake_gb(deployment.symbols) * usd(stored),
        "lake, requests of sensors": (LISTS * usd(listed) + READS * usd("reads")) / 1e6,
        "BigQuery, storage": warehouse_gb(deployment.symbols) * usd("BigQuery, storage"),
        "BigQuery, queries": max(scanned_tib(deployment.symbols) - 1, 0) * usd("BigQuery, queries"),
        "alerts": ALERT_CONDITIONS * usd("alerts"),
        "images": IMAGES_GB * usd("images"),
    }


def row(*cells: str) -> str:
    """Format a row of a Markdown table."""
    return f"| {' | '.join(cells)} |"


def table() -> str:
    """Markdown table of the monthly costs."""
    costs = [month(deployment) for deployment in DEPLOYMENTS]
    sizes = [deployment.symbols for deployment in DEPLOYMENTS]
    return "\n".join(
        [
            row("US dollars per month", *(deployment.name for deployment in DEPLOYMENTS)),
            "|---|" + "---:|" * len(DEPLOYMENTS),
            *(row(name, *(f"{cost[name]:.2f}" for cost in costs)) for name in costs[0]),
            row("**total**", *(f"**{sum(cost.values()):.0f}**" for cost in costs)),
            row("lake, GB", *(f"{lake_gb(symbols):.1f}" for symbols in sizes)),
            row("warehouse, GB", *(f"{warehouse_gb(symbols):.2f}" for symbols in sizes)),
            row("scanned, TiB", *(f"{scanned_tib(symbols):.2f}" for symbols in sizes)),
        ]
    )


def prices() -> str:
    """Markdown table of the list prices."""
    lines = (row(name, f"{price.usd:g}", price.unit, price.page) for name, price in PRICES.items())
    return "\n".join([row("price", "US dollars", "per", "source"), "|---|---:|---|---|", *lines])


if __name__ == "__main__":
    print(table(), prices(), sep="\n\n")  # noqa: T201 - the command's output
