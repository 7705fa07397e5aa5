"""Validate and normalise the rows of an ERP export.

Belongs here: one row at a time. A rule returns the reason code of a row that it rejects; for an
accepted row it returns None and has normalised the row in place.
"""

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import pycountry
from stdnum import isin

from stock_platform.calendars import calendar_code

ErpRow = dict[str, str]
RowRule = Callable[[ErpRow], str | None]

_ACTIVE: Final = {
    **dict.fromkeys(("Y", "YES", "J", "JA", "TRUE", "T", "1"), "Y"),
    **dict.fromkeys(("N", "NO", "NEIN", "FALSE", "F", "0"), "N"),
}
# Hundredths of a currency in which Yahoo quotes, as Yahoo spells them; not ISO 4217 codes.
_MINOR_UNITS: Final = {"GBX": "GBp", "ZAC": "ZAc", "ILA": "ILA"}
# Reserved codes that are in use but not part of ISO 3166.
_OTHER_COUNTRIES: Final = {"UK": "GB", "EL": "GR"}
# The characters of Yahoo's symbols; others would change the requested URL.
_SYMBOL: Final = re.compile(r"(?!=)(?=.*[A-Z0-9])[A-Z0-9.^=&_-]{1,32}")
# Optionally with the midnight that databases add.
_ISO_DAY: Final = re.compile(r"(\d{4}-\d{2}-\d{2})(?:[T ]00:00(?::00(?:\.0+)?)?)?")
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
# BigQuery does not limit text; a longer value is not a name.
_MAX_VALUE_CHARS: Final = 300


@dataclass(frozen=True)
class Listing:
    """An exchange on which companies are listed: its MIC, and Yahoo's suffix for its symbols."""

    mic: str
    yahoo_suffix: str


def listings(exchanges: Iterable[Mapping[str, str]]) -> dict[str, Listing]:
    """Index exchanges by MIC and by Yahoo's own codes; a MIC wins over another exchange's code."""
    found: dict[str, Listing] = {}
    rows = list(exchanges)
    for row in rows:
        listing = Listing(row["EXCH_CODE"], row["YAHOO_SUFFIX"])
        for code in row["YAHOO_EXCHANGE_CODES"].split("|"):
            found[code.strip().upper()] = listing
    found |= {row["EXCH_CODE"]: Listing(row["EXCH_CODE"], row["YAHOO_SUFFIX"]) for row in rows}
    found.pop("", None)
    return found


def rules_digest(exchanges: Mapping[str, Listing]) -> str:
    """Digest of the exchanges, on which the rule for companies depends."""
    content = sorted(
        (code, listing.mic, listing.yahoo_suffix) for code, listing in exchanges.items()
    )
    return hashlib.sha256(repr(content).encode()).hexdigest()[:16]


def normalise_whitespace(text: str) -> str:
    """Strip the text and collapse its white space, non-breaking spaces included."""
    return " ".join(text.split())


def company_rule(exchanges: Mapping[str, Listing], today: date) -> RowRule:
    """Return the rule for companies that are listed on these exchanges."""

    def rule(row: ErpRow) -> str | None:
        if reason := _text_defect(row, ("ITEM_ID", "TICKER", "COMPANY_NAME", "EXCH_CODE")):
            return reason
        listing = exchanges.get(row["EXCH_CODE"].upper())
        if listing is None:
            return "unknown_exchange"
        row["EXCH_CODE"] = listing.mic
        row["TICKER"] = _symbol(row["TICKER"].upper(), listing.yahoo_suffix)
        row["ITEM_ID"] = row["ITEM_ID"].upper()
        row["ACTIVE"] = _ACTIVE.get(row["ACTIVE"].upper(), "")
        row["ISIN"] = row["ISIN"].upper()
        changed = _day(row["LAST_CHANGED"])
        row["LAST_CHANGED"] = changed.isoformat() if changed else ""
        return (
            (None if _SYMBOL.fullmatch(row["TICKER"]) else "symbol_not_of_yahoos_characters")
            or (None if row["ACTIVE"] else "active_not_y_or_n")
            or _changed_defect(changed, today)
            or _codes_defect(row, "CURRENCY")
            or (None if not row["ISIN"] or _is_isin(row["ISIN"]) else "isin_checksum")
            or _calendar_defect(row)
        )

    return rule


def exchange_rule(row: ErpRow) -> str | None:
    """Apply the rule for exchanges."""
    required = ("EXCH_CODE", "EXCH_NAME", "TIMEZONE", "PRICE_CURRENCY")
    if reason := _text_defect(row, required):
        return reason
    row["EXCH_CODE"] = row["EXCH_CODE"].upper()
    if not re.fullmatch(r"[A-Z0-9]{4}", row["EXCH_CODE"]):
        return "mic_not_iso_10383"
    try:
        ZoneInfo(row["TIMEZONE"])
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return "unknown_time_zone"
    return _codes_defect(row, "PRICE_CURRENCY")


def _text_defect(row: ErpRow, required: Iterable[str]) -> str | None:
    values = row.values()
    if _CONTROL.search("".join(values)):
        return "control_character"
    if max(map(len, values)) > _MAX_VALUE_CHARS:
        return "value_too_long"
    return None if all(map(row.__getitem__, required)) else "missing_value"


def _symbol(ticker: str, suffix: str) -> str:
    """Append the exchange's Yahoo suffix to a ticker that lacks it."""
    return ticker if ticker.endswith(suffix.upper()) else f"{ticker}{suffix.upper()}"


@lru_cache(1024)
def _day(text: str) -> date | None:
    with suppress(ValueError):
        if iso := _ISO_DAY.fullmatch(text):
            return date.fromisoformat(iso[1])
        return datetime.strptime(text, "%d.%m.%Y").date()  # noqa: DTZ007 - a day
    return None


def _changed_defect(changed: date | None, today: date) -> str | None:
    if changed is None:
        return "last_changed_no_date"
    return "last_changed_in_the_future" if changed > today else None


def _codes_defect(row: ErpRow, currency: str) -> str | None:
    """Replace country and currency, which may be blank, by their ISO codes."""
    if row["COUNTRY"]:
        row["COUNTRY"] = _country(row["COUNTRY"])
        if not row["COUNTRY"]:
            return "unknown_country"
    if row[currency]:
        row[currency] = _currency(row[currency])
        if not row[currency]:
            return "unknown_currency"
    return None


@lru_cache(1024)
def _is_isin(text: str) -> bool:
    return bool(isin.is_valid(text))


@lru_cache(1024)
def _country(text: str) -> str:
    """ISO 3166 alpha-2 code of a code or an English name; empty if there is none."""
    try:
        return str(pycountry.countries.lookup(_OTHER_COUNTRIES.get(text.upper(), text)).alpha_2)
    except LookupError:
        return ""


@lru_cache(1024)
def _currency(text: str) -> str:
    """ISO 4217 code, or Yahoo's code of a hundredth of one; empty if there is none."""
    # "GBp" is pence and "GBP" pounds.
    if text == "GBp" or text.upper() in _MINOR_UNITS:
        return _MINOR_UNITS.get(text.upper(), text)
    known = pycountry.currencies.get(alpha_3=text.upper())
    return str(known.alpha_3) if known else ""


def _calendar_defect(row: ErpRow) -> str | None:
    active_without = row["ACTIVE"] == "Y" and calendar_code(row["EXCH_CODE"]) is None
    return "exchange_without_calendar" if active_without else None
