"""What the platform costs a month on Google Cloud: `make cost` prints docs/cost.md's tables.

Belongs here: list prices, measured sizes and their arithmetic. Nothing of it runs in the platform,
which tells what each run cost by itself.
"""

from dataclasses import dataclass
from typing import Final, NamedTuple


class Price(NamedTuple):
    """A list price in US dollars, and the page of cloud.google.com that has it."""

    usd: float
    unit: str
    page: str


# europe-west1 where regions differ. Pages were read as stored copies, on 2026-11-25.
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
    "NAT, a machine": Price(0.0014, "hour", "nat/pricing"),
    "NAT, its address": Price(0.005, "hour", "nat/pricing"),
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
SESSIONS_A_MONTH: Final = 21
SESSIONS: Final = 2520  # ten years

# Bytes that a session adds to the lake, and each symbol in it: by the command in docs/cost.md, on
# the sample, 2026-11-27. Raw lines and verbatim answers; Parquet twice, as published and as loaded;
# verdicts; and an ERP export each session, as it came and as facts.
SESSION: Final = (246 + 526) + 10_997 + 5_664 + 5_254
SYMBOL: Final = (166 + 2_065) + 142 + 2 + 186
ANSWERS: Final = 5_000  # that a symbol's fetch brings over the network
ROW: Final = 130  # in BigQuery's own bytes: 8 for a number, date or time, 2 and its length for text

# References to tables in what a day's runs ask of BigQuery: to small ones, to a month of the prices
# and to all of them. Each is billed for 10 MB at least.
REFERENCES: Final = {"small": 60, "month": 8, "whole": 9}
LEAST: Final = 10 * 2**20

# What sensors ask of the lake in a month, counted on the emulator: two of them list all sessions.
ERP_TICKS: Final = 120 * HOURS
WATCHING_TICKS: Final = 2 * 60 * HOURS
LISTS: Final = 8 * ERP_TICKS + -(-SESSIONS // 1_000) * WATCHING_TICKS
READS: Final = 2 * ERP_TICKS

# Dataproc's default footprint: 12 DCU and three disks of 400 GB; start-up and a minute's work.
DCU: Final = 12
SHUFFLE_GB: Final = 1_200
BATCH_MINUTES: Final = {50: 3, 500: 3, 5_000: 4}
MACHINE_DISK_GB: Final = 30
DATABASE_DISK_GB: Final = 10
IMAGES_GB: Final = 6  # ten images; a guess
ALERT_CONDITIONS: Final = 5


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


def usd(price: str) -> float:
    """A list price."""
    return PRICES[price].usd


def lake_gb(symbols: int) -> float:
    """Of ten years, each session fetched and loaded by itself."""
    return (SESSION + SYMBOL * symbols) * SESSIONS / 1e9


def warehouse_gb(symbols: int) -> float:
    """Of ten years of prices; the other tables are small."""
    return ROW * symbols * SESSIONS / 1e9


def scanned_tib(symbols: int) -> float:
    """In a month."""
    session = ROW * symbols
    bytes_of = {
        "small": LEAST,
        "month": max(LEAST, session * SESSIONS_A_MONTH),
        "whole": max(LEAST, session * SESSIONS),
    }
    return SESSIONS_A_MONTH * sum(n * bytes_of[it] for it, n in REFERENCES.items()) / 2**40


def batches(symbols: int) -> float:
    """US dollars."""
    hours = SESSIONS_A_MONTH * BATCH_MINUTES[symbols] / 60
    return hours * (DCU * usd("Dataproc") + SHUFFLE_GB * usd("Dataproc, shuffle") / HOURS)


def month(it: Deployment) -> dict[str, float]:
    """US dollars by what they are for."""
    stored, listed = (
        ("bucket in two regions", "lists and writes in two regions")
        if it.dual_region
        else ("bucket", "lists and writes")
    )
    traffic = ANSWERS * it.symbols * SESSIONS_A_MONTH / 1e9
    return {
        "machine": usd(it.machine) + MACHINE_DISK_GB * usd("balanced disk"),
        "database": usd(it.database)
        + DATABASE_DISK_GB * (usd("database's SSD") + usd("database's backups")),
        "NAT": HOURS * (usd("NAT, a machine") + usd("NAT, its address"))
        + traffic * usd("NAT, traffic"),
        "Dataproc": batches(it.symbols),
        "lake, stored": lake_gb(it.symbols) * usd(stored),
        "lake, asked by sensors": (LISTS * usd(listed) + READS * usd("reads")) / 1e6,
        "BigQuery, storage": warehouse_gb(it.symbols) * usd("BigQuery, storage"),
        "BigQuery, queries": max(scanned_tib(it.symbols) - 1, 0) * usd("BigQuery, queries"),
        "alerts": ALERT_CONDITIONS * usd("alerts"),
        "images": IMAGES_GB * usd("images"),
    }


def row(*cells: str) -> str:
    """A line of a table in Markdown."""
    return f"| {' | '.join(cells)} |"


def table() -> str:
    """What a month costs."""
    costs = [month(it) for it in DEPLOYMENTS]
    sizes = [it.symbols for it in DEPLOYMENTS]
    return "\n".join(
        [
            row("US dollars a month", *(it.name for it in DEPLOYMENTS)),
            "|---|" + "---:|" * len(DEPLOYMENTS),
            *(row(name, *(f"{it[name]:.2f}" for it in costs)) for name in costs[0]),
            row("**together**", *(f"**{sum(it.values()):.0f}**" for it in costs)),
            row("lake, GB", *(f"{lake_gb(it):.1f}" for it in sizes)),
            row("warehouse, GB", *(f"{warehouse_gb(it):.2f}" for it in sizes)),
            row("scanned, TiB", *(f"{scanned_tib(it):.2f}" for it in sizes)),
        ]
    )


def prices() -> str:
    """The prices that are counted with."""
    lines = (row(name, f"{it.usd:g}", it.unit, it.page) for name, it in PRICES.items())
    return "\n".join([row("price", "US dollars", "a", "source"), "|---|---:|---|---|", *lines])


if __name__ == "__main__":
    print(table(), prices(), sep="\n\n")  # noqa: T201 - what it is for
