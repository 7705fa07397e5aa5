"""What each chart shows, in a sentence: for those who cannot see it, or want it at a glance."""

from collections import Counter
from collections.abc import Mapping

from stock_platform.quality.report.model import Report, counted


def in_words(report: Report) -> Mapping[str, str]:
    """A sentence for each chart, by its name; none where there is nothing to show."""
    said = {"heat": _heat(report), "rate": _rate(report), "rows": _rows(report)}
    return {**said, "durations": _durations(report)}


def _heat(report: Report) -> str:
    unclean = sum(
        "passed" not in {*found.values()} or len({*found.values()}) > 1
        for found in report.states.values()
    )
    of = counted(len(report.states), "check")
    if not unclean:
        return f"All of {of} passed on {_span(report.sessions)}."
    return f"{unclean:,} of {of} did not pass on some of {_span(report.sessions)}."


def _rate(report: Report) -> str:
    by_session: dict[str, Counter[str]] = {}
    for found in report.states.values():
        for session, state in found.items():
            by_session.setdefault(session, Counter())[state] += 1
    shares = {day: it["passed"] / it.total() for day, it in by_session.items()}
    if not shares:
        return ""
    verdicts = sum(it.total() for it in by_session.values())
    passed = sum(it["passed"] for it in by_session.values())
    if passed == verdicts:
        return f"All of {counted(verdicts, 'verdict')} pass."
    worst = min(shares, key=lambda day: (shares[day], day))
    return (
        f"{passed:,} of {counted(verdicts, 'verdict')} pass; "
        f"the lowest share is {shares[worst]:.0%}, on {worst}."
    )


def _rows(report: Report) -> str:
    if not report.rows:
        return "No prices yet."
    low, high = min(report.rows.values()), max(report.rows.values())
    newest, count = list(report.rows.items())[-1]
    return (
        f"{low:,} to {counted(high, 'price')} a session over {_span(list(report.rows))}; "
        f"{count:,} on the newest, {newest}."
    )


def _durations(report: Report) -> str:
    if not report.runs:
        return "No run has ended yet."
    newest = max(report.runs, key=lambda it: it.started_at)
    failed = sum(it.status == "FAILURE" for it in report.runs)
    return (
        f"{counted(len(report.runs), 'run')}, {failed} of them failed; "
        f"the newest, {newest.job}, took {newest.seconds:.1f} s."
    )


def _span(sessions: list[str]) -> str:
    if not sessions:
        return "no sessions"
    return f"{counted(len(sessions), 'session')} from {sessions[0]} to {sessions[-1]}"
