"""Render the report as one HTML file that needs no server and no network."""

from typing import Final

import plotly.graph_objects as go
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from stock_platform.plain_text import pluralise
from stock_platform.quality.report import charts
from stock_platform.quality.report.model import Report

_SHOWN_FAILURES: Final = 10
_SHOWN_SYMBOLS: Final = 200
_TEMPLATES: Final = Environment(
    loader=PackageLoader("stock_platform.quality.report"),
    autoescape=True,
    undefined=StrictUndefined,
)


def render(report: Report) -> str:
    """Render the page. The template escapes all text that comes from data."""
    figures = {f"bar{number}": charts.candles(bar) for number, bar in enumerate(report.bars)}
    if report.sessions:
        figures["sessions"] = charts.by_session(report)
    if len(report.sessions) > charts.SHOWN_SESSIONS:
        figures["months"] = charts.by_month(report)
    hidden_symbols = len(report.coverage) - _SHOWN_SYMBOLS
    return _TEMPLATES.get_template("quality.html.j2").render(
        report=report,
        colours=charts.COLOURS,
        description=charts.describe_sessions(report) if report.sessions else "",
        shown_failures=_SHOWN_FAILURES,
        shown_symbols=_SHOWN_SYMBOLS,
        hidden_symbols=pluralise(hidden_symbols, "more symbol") if hidden_symbols > 0 else "",
        plotly=Markup(get_plotlyjs()),  # noqa: S704 - the library's own text
        figures={name: _json(figure) for name, figure in figures.items()},
    )


def open_failures(report: Report) -> list[dict[str, str]]:
    """Return one row per failing check, for the metadata of the page."""
    return [
        {
            "severity": check.worst.severity,
            "asset": check.worst.asset,
            "check": check.worst.check,
            "extent": check.extent,
        }
        for check in report.failing_checks
    ]


def _json(figure: go.Figure) -> Markup:
    """Encode a figure so that no text in it can close its script element."""
    text = str(figure.to_json()).replace("<", "\\u003c").replace("&", "\\u0026")
    return Markup(text)  # noqa: S704 - escaped above
