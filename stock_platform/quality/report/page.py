"""The report as one HTML file that needs no server and no network."""

from itertools import groupby
from typing import Final

import plotly.graph_objects as go
from jinja2 import Environment, PackageLoader
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from stock_platform.quality.report import charts
from stock_platform.quality.report.chart_captions import in_words
from stock_platform.quality.report.model import CheckFailures, OpenFailure, Report, counted

_SHOWN_SESSIONS: Final = 10
_SHOWN_SYMBOLS: Final = 200
_TEMPLATES: Final = Environment(
    loader=PackageLoader("stock_platform.quality.report"), autoescape=True
)


def render(report: Report) -> str:
    """The page; texts from data are escaped by the template."""
    figures = {
        "heat": charts.newest_sessions(report),
        "rate": charts.pass_rate(report),
        "rows": charts.rows(report),
        "durations": charts.durations(report),
        **{f"bar{n}": charts.candles(it) for n, it in enumerate(report.bars)},
    }
    if len(report.sessions) > charts.SHOWN_SESSIONS:
        figures["months"] = charts.months(report)
    return _TEMPLATES.get_template("quality.html.j2").render(
        report=report,
        state=state(report),
        groups=failures_by_check(report),
        in_words=in_words(report),
        coverage=report.coverage[:_SHOWN_SYMBOLS],
        more_symbols=max(len(report.coverage) - _SHOWN_SYMBOLS, 0),
        shown_sessions=_SHOWN_SESSIONS,
        plotly=Markup(get_plotlyjs()),  # noqa: S704 - the library's own text
        figures={name: _json(figure) for name, figure in figures.items()},
    )


def state(report: Report) -> str:
    """The overall state in words."""
    if report.last_checked is None:
        return "Nothing has been checked yet"
    found = (
        (report.errors, "error"),
        (report.warnings, "warning"),
        (len(report.failed_runs), "failed run"),
    )
    told = [counted(*it) for it in found if it[0]]
    if not told:
        return "All checks pass"
    return f"{', '.join(told[:-1])}{' and ' if told[:-1] else ''}{told[-1]} open"


def open_failures(report: Report) -> list[dict[str, str]]:
    """One row per check that fails, for the metadata of the page."""
    return [
        {
            "severity": group.worst.severity,
            "asset": group.worst.asset,
            "check": group.worst.check,
            "extent": group.extent,
        }
        for group in failures_by_check(report)
    ]


def failures_by_check(report: Report) -> list[CheckFailures]:
    """Checks with errors first."""

    def check(it: OpenFailure) -> tuple[str, str]:
        return (it.asset, it.check)

    newest_first = sorted(report.failures, key=lambda it: it.session or "", reverse=True)
    errors_first = sorted(newest_first, key=lambda it: (*check(it), it.severity))
    groups = [CheckFailures(list(found)) for _, found in groupby(errors_first, key=check)]
    return sorted(groups, key=lambda it: it.worst.severity)


def _json(figure: go.Figure) -> Markup:
    """A figure for a script element, which no text of it can close."""
    text = str(figure.to_json()).replace("<", "\\u003c").replace("&", "\\u0026")
    return Markup(text)  # noqa: S704 - escaped above
