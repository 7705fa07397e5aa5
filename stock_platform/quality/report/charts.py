"""The charts of the page as Plotly figures.

Backgrounds are transparent. The page sets the colours of text and axes, because they depend on
whether it is dark.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Final

import plotly.graph_objects as go

from stock_platform.plain_text import pluralise
from stock_platform.quality.report.model import FailingBar, Report

# From the palette of Okabe and Ito, which does not rely on telling red from green.
COLOURS: Final = {"passed": "#009e73", "warned": "#e69f00", "failed": "#d55e00"}
_LEVELS: Final = {"passed": 0, "warned": 1, "failed": 2}
_ROW_HEIGHT_PX: Final = 22
_MONTH: Final = slice(len("2012-07"))
# A quarter: with more columns the cells are too narrow, on a phone in particular.
SHOWN_SESSIONS: Final = 66
# Above this ratio of the highest to the lowest price the scale is logarithmic.
_MAX_LINEAR_RATIO: Final = 10

# State and hover text by check and session, or by check and month.
_Cells = Mapping[tuple[str, str], tuple[str, str]]


def by_session(report: Report) -> go.Figure:
    """Draw the heat map of checks by the newest sessions."""
    cells = {
        (result.label, result.session): (
            result.state,
            f"{result.description} ({result.evaluated_at:%Y-%m-%d %H:%M} UTC)",
        )
        for result in report.session_results
    }
    return _heat_map(_labels(report), report.sessions[-SHOWN_SESSIONS:], cells)


def by_month(report: Report) -> go.Figure:
    """Draw the heat map of checks by month: the worst state, and the sessions not passed."""
    states: dict[tuple[str, str], list[str]] = defaultdict(list)
    for result in report.session_results:
        states[result.label, result.session[_MONTH]].append(result.state)
    cells = {}
    for cell, found in states.items():
        failures = sum(state != "passed" for state in found)
        text = f"{failures:,} of {pluralise(len(found), 'session')} did not pass"
        cells[cell] = max(found, key=_LEVELS.__getitem__), text
    return _heat_map(_labels(report), sorted({month for _, month in states}), cells)


def describe_sessions(report: Report) -> str:
    """Return the text alternative of the heat maps."""
    labels = _labels(report)
    failing = {result.label for result in report.session_results if not result.passed}
    span = (
        f"{pluralise(len(report.sessions), 'session')} "
        f"from {report.sessions[0]} to {report.sessions[-1]}"
    )
    if not failing:
        return f"All of {pluralise(len(labels), 'check')} passed on {span}."
    return f"{len(failing):,} of {pluralise(len(labels), 'check')} did not pass on some of {span}."


def _labels(report: Report) -> list[str]:
    return sorted({result.label for result in report.session_results}, reverse=True)


def _heat_map(labels: Iterable[str], columns: Sequence[str], cells: _Cells) -> go.Figure:
    rows = [
        [cells.get((label, column), ("", "not checked")) for column in columns] for label in labels
    ]
    figure = go.Figure(
        go.Heatmap(
            x=columns,
            y=[escape(label) for label in labels],
            z=[[_LEVELS.get(state) for state, _ in row] for row in rows],
            # Plotly interprets HTML in its texts.
            text=[[escape(text) for _, text in row] for row in rows],
            hovertemplate="%{x}<br>%{y}<br>%{text}<extra></extra>",
            # Two equal stops per state, so that the colours do not blend.
            colorscale=[
                (stop / len(COLOURS), colour)
                for level, colour in enumerate(COLOURS.values())
                for stop in (level, level + 1)
            ],
            zmin=0,
            zmax=2,
            showscale=False,
            xgap=1,
            ygap=1,
        )
    )
    figure.update_xaxes(type="category", nticks=12)
    return _with_layout(figure, 90 + _ROW_HEIGHT_PX * len(rows))


def candles(bar: FailingBar) -> go.Figure:
    """Draw a failing bar among its neighbours."""
    columns = bar.columns
    days = [str(day) for day in columns["TradeDate"]]
    figure = go.Figure(
        go.Candlestick(
            x=days,
            open=columns["Open"],
            high=columns["High"],
            low=columns["Low"],
            close=columns["Close"],
            increasing_line_color=COLOURS["passed"],
            decreasing_line_color=COLOURS["failed"],
        )
    )
    figure.add_vline(x=days.index(bar.session), line_dash="dot", line_color=COLOURS["warned"])
    lowest, highest = min(columns["Low"]), max(columns["High"])
    is_wide = highest > _MAX_LINEAR_RATIO * lowest > 0
    figure.update_xaxes(type="category", rangeslider_visible=False, nticks=6)
    figure.update_yaxes(type="log" if is_wide else "linear")
    return _with_layout(figure, 260)


def _with_layout(figure: go.Figure, height_px: int) -> go.Figure:
    figure.update_xaxes(automargin=True)
    figure.update_yaxes(automargin=True)
    return figure.update_layout(
        height=height_px,
        margin={"l": 10, "r": 10, "t": 10, "b": 10},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        font={"family": "system-ui, sans-serif", "size": 12},
    )
