"""The report as one HTML file that needs no server and no network."""

from itertools import groupby
from typing import Any, Final

import plotly.graph_objects as go
from jinja2 import Environment, PackageLoader
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from stock_platform.quality.report import charts
from stock_platform.quality.report.model import OpenFailure, Report

_SHOWN_SESSIONS: Final = 10
_SHOWN_SYMBOLS: Final = 200
_TEMPLATES: Final = Environment(
    loader=PackageLoader("stock_platform.quality.report"), autoescape=True
)


def render(report: Report) -> str:
    """The page; texts from data are escaped by the template."""
    figures = {
        "heat": charts.heat_map(report),
        "rate": charts.pass_rate(report),
        "rows": charts.rows(report),
        "durations": charts.durations(report),
        **{f"bar{n}": charts.candles(it) for n, it in enumerate(report.bars)},
    }
    return _TEMPLATES.get_template("quality.html.j2").render(
        report=report,
        state=state(report),
        groups=_groups(report),
        coverage=report.coverage[:_SHOWN_SYMBOLS],
        more_symbols=max(len(report.coverage) - _SHOWN_SYMBOLS, 0),
        plotly=Markup(get_plotlyjs()),  # noqa: S704 - the library's own text
        figures={name: _json(figure) for name, figure in figures.items()},
    )


def state(report: Report) -> str:
    """The overall state in words."""
    if report.last_checked is None:
        return "Nothing has been checked yet"
    if not report.failures:
        return "All checks pass"
    errors, warnings = report.errors, report.warnings
    told = [
        f"{count} {word}{'' if count == 1 else 's'}"
        for count, word in ((errors, "error"), (warnings, "warning"))
        if count
    ]
    return f"{' and '.join(told)} open"


def summary(report: Report) -> str:
    """The state and what is open, as Markdown for a catalogue's metadata."""
    lines = [f"**{state(report)}**", ""]
    for group in _groups(report):
        where = f"{group['count']} sessions" if group["sessions"] else "whole asset"
        lines.append(f"- {group['severity']}: `{group['asset']}` {group['check']}, {where}")
    return "\n".join(lines)


def _groups(report: Report) -> list[dict[str, Any]]:
    """Open failures by check, errors first; the newest sessions in full, the rest counted."""

    def key(it: OpenFailure) -> tuple[str, str, str]:
        return (it.severity, it.asset, it.check)

    groups = []
    for (severity, asset, check), found in groupby(sorted(report.failures, key=key), key=key):
        failures = sorted(found, key=lambda it: it.session or "", reverse=True)
        groups.append(
            {
                "severity": severity,
                "asset": asset,
                "check": check,
                "blocking": failures[0].blocking,
                "since": min(it.since for it in failures),
                "sessions": failures[0].session is not None,
                "shown": failures[:_SHOWN_SESSIONS],
                "count": len(failures),
            }
        )
    return groups


def _json(figure: go.Figure) -> Markup:
    """A figure for a script element, which no text of it can close."""
    text = str(figure.to_json()).replace("<", "\\u003c").replace("&", "\\u0026")
    return Markup(text)  # noqa: S704 - escaped above
