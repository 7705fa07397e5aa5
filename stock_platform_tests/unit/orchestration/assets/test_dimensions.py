"""The dimensions, as the warehouse shows them."""

from datetime import UTC, datetime

import pytest


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    from stock_platform_tests.support.platform_fixture import Platform  # noqa: PLC0415

    with Platform(tmp_path_factory.mktemp("dimensions")) as platform:
        platform.load_sample_dimensions()
        names = ("dim_date", "dim_trading_session", "dim_company", "dim_exchange")
        yield {name: platform.table(name) for name in names}


def test_dim_date_covers_whole_years(tables):
    days = tables["dim_date"]
    assert (days["DateKey"].min(), days["DateKey"].max()) == (20000101, 20131231)
    assert len(days) == 5114
    leap = days.set_index("DateKey").loc[20000229]
    assert (leap["DayOfWeek"], leap["DayName"], leap["MonthName"]) == (2, "Tuesday", "February")
    assert (leap["Quarter"], leap["IsWeekend"]) == (1, False)
    assert days.set_index("DateKey").loc[20121230, "IsWeekend"]


def hours(tables, exchange, key):
    sessions = tables["dim_trading_session"].set_index(["ExchangeCode", "DateKey"])
    row = sessions.loc[(exchange, key)]
    return row["OpenUtc"].to_pydatetime(), row["CloseUtc"].to_pydatetime(), row["IsHalfDay"]


def test_session_hours_follow_daylight_saving(tables):
    winter, summer = hours(tables, "XNYS", 20120309), hours(tables, "XNYS", 20120312)
    assert winter[0] == datetime(2012, 3, 9, 14, 30, tzinfo=UTC)
    assert summer[0] == datetime(2012, 3, 12, 13, 30, tzinfo=UTC)


def test_half_day_closes_early(tables):
    _, closes, half = hours(tables, "XNYS", 20121123)  # the day after Thanksgiving
    assert (closes, half) == (datetime(2012, 11, 23, 18, 0, tzinfo=UTC), True)
    assert not hours(tables, "XNYS", 20121126)[2]


def test_exchanges_have_their_own_holidays(tables):
    keys = tables["dim_trading_session"].groupby("ExchangeCode")["DateKey"].agg(set)
    assert 20120604 in keys["XNYS"]
    assert 20120604 not in keys["XLON"]
    assert keys["XNYS"] == keys["XNAS"]


def test_companies_and_exchanges_match_erp(tables):
    companies = tables["dim_company"].set_index("Symbol")
    assert companies.loc["FB", "CompanyName"] == "Facebook, Inc."
    assert companies["IsActive"].sum() == 5
    assert set(companies["SourceFile"]) == {"companies.csv"}
    exchanges = tables["dim_exchange"].set_index("ExchangeCode")
    assert exchanges.loc["XLON", "Currency"] == "GBp"
    assert exchanges.loc["XNAS", "CalendarCode"] == "XNYS"
