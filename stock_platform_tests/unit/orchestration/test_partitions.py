"""Partitions are the days on which an exchange has a session."""

from datetime import UTC, date, datetime

import dagster as dg
import pytest
from dagster._core.definitions.backfill_policy import BackfillPolicyType
from dagster._serdes import deserialize_value, serialize_value

from stock_platform.calendars import UnknownExchangeError, calendar_code, known_days, sessions
from stock_platform.orchestration.partitions import (
    YEARLY_BACKFILL,
    NotATradingDayError,
    require_sessions,
    trading_days,
)

NEW_YORK = trading_days(["XNYS", "XNAS"], date(2012, 1, 1), date(2012, 12, 31))


def test_new_york_has_250_sessions_per_year():
    assert len(NEW_YORK.get_partition_keys()) == 250


@pytest.mark.parametrize(
    ("day", "why"),
    [
        ("2012-01-02", "New Year observed"),
        ("2012-01-07", "Saturday"),
        ("2012-10-29", "hurricane Sandy"),
        ("2011-12-30", "before the start"),
        ("2013-01-02", "after the end"),
        ("not-a-day", "no day at all"),
    ],
)
def test_day_without_session_is_rejected(day, why):
    with pytest.raises(NotATradingDayError, match=day):
        require_sessions(NEW_YORK, ["2012-01-03", day])
    assert not NEW_YORK.has_partition_key(day), why


def test_rejection_names_next_session():
    with pytest.raises(NotATradingDayError, match="the next one after 2012-10-29 is 2012-10-31"):
        require_sessions(NEW_YORK, ["2012-10-29"])


def test_sessions_are_accepted():
    require_sessions(NEW_YORK, ["2012-01-03", "2012-12-31"])


@pytest.mark.parametrize(("day", "hours"), [("2012-03-09", 24), ("2012-11-02", 24)])
def test_friday_before_clock_change_has_24_hours(day, hours):
    window = NEW_YORK.time_window_for_partition_key(day)
    assert (window.end - window.start).total_seconds() / 3600 == hours


def test_partitions_are_union_of_exchanges():
    both = trading_days(["XNYS", "XLON"], date(2012, 6, 1), date(2012, 7, 31))
    assert both.has_partition_key("2012-06-04")  # the Queen's jubilee: London shut, New York open
    assert both.has_partition_key("2012-07-04")  # Independence Day, the other way round
    assert not trading_days(["XLON"], date(2012, 6, 1), date(2012, 7, 31)).has_partition_key(
        "2012-06-04"
    )


def test_sunday_sessions_are_partitions():
    tel_aviv = trading_days(["XTAE"], date(2012, 2, 1), date(2012, 2, 29))
    assert tel_aviv.has_partition_key("2012-02-05")
    assert not tel_aviv.has_partition_key("2012-02-03")


def test_open_end_reaches_last_finished_day():
    days = trading_days(["XNYS"], date(2026, 1, 2), None)
    assert date.fromisoformat(days.get_last_partition_key()) < date.today()  # noqa: DTZ011


def test_calendar_corrections_are_applied():
    assert date(2023, 9, 1) not in sessions("XHKG", date(2023, 8, 30), date(2023, 9, 11))
    assert date(2023, 9, 4) in sessions("XHKG", date(2023, 8, 30), date(2023, 9, 11))


def test_unknown_exchange_is_named():
    assert calendar_code("XXXX") is None
    with pytest.raises(UnknownExchangeError, match="XXXX"):
        trading_days(["XXXX"], date(2012, 1, 1), None)


def test_related_venues_share_a_calendar():
    assert calendar_code("XNAS") == calendar_code("BATS") == "XNYS"


def test_daemon_splits_ranges_into_years():
    assert YEARLY_BACKFILL.policy_type is BackfillPolicyType.SINGLE_RUN
    in_the_daemon = deserialize_value(serialize_value(YEARLY_BACKFILL), dg.BackfillPolicy)
    assert in_the_daemon == dg.BackfillPolicy.multi_run(252)
    assert in_the_daemon.policy_type is BackfillPolicyType.MULTI_RUN


def test_unknown_future_holidays_stay_partitions():
    # Bombay's are recorded to the end of a year; later weekdays stay partitions.
    first, last = known_days("XBOM", date(2024, 1, 1), date(2099, 12, 31))
    assert first == date(2024, 1, 1)
    assert last < date(2099, 12, 31)
    assert trading_days(["XBOM"], date(2024, 1, 1), None).get_partition_keys()


def test_start_before_recorded_holidays_is_rejected():
    with pytest.raises(ValueError, match="recorded from 2021-01-01"):
        trading_days(["XSAU"], date(2019, 1, 1), None)


def test_definition_does_not_change_overnight():
    last_holiday = trading_days(["XNYS"], date(2026, 1, 2), None).exclusions[-1]
    year = datetime.fromtimestamp(last_holiday.timestamp, UTC).year
    assert year == date.today().year + 1  # noqa: DTZ011


def test_start_after_calendars_is_rejected():
    with pytest.raises(ValueError, match=r"START_DATE 2199-01-02 is after .* an earlier day"):
        trading_days(["XNYS"], date(2199, 1, 2), None)


def test_last_session_has_no_successor():
    days = trading_days(["XNYS"], date(2012, 1, 3), date(2012, 12, 31))
    with pytest.raises(NotATradingDayError) as rejection:
        require_sessions(days, ["2030-01-02"])
    assert "next one" not in str(rejection.value)
