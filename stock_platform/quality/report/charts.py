"""The page's charts as Plotly figures, without colours of their own but for the states.

Background and text are transparent and set by the page, which knows whether it is dark.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any, Final

import plotly.graph_objects as go

from stock_platform.quality.report.model import Bars, Report

# Distinguishable without red and green, and in both modes: Okabe and Ito's palette.
PASSED: Final = "#009e73"
WARNED: Final = "#e69f00"
FAILED: Final = "#d55e00"
_LINE: Final = "#0072b2"
_LEVELS: Final = {"passed": 0, "warned": 1, "failed": 2}
_ROW_PX: Final = 22
_MONTH: Final = len("2012-07")
# A quarter: more cells in a row cannot be told apart, on a phone in particular.
SHOWN_SESSIONS: Final = 66
_LOG_SPAN: Final = 10


def newest_sessions(report: Report) -> go.Figure:
    """Checks by the newest sessions."""
    sessions = report.sessions[-SHOWN_SESSIONS:]
    texts = {
        check: {day: says for day, says in report.sentences[check].items() if day in sessions}
        for check in report.states
    }
    return _heat_map(report.states, texts, sessions)


def months(report: Report) -> go.Figure:
    """Checks by months: the worst state of each, and how many sessions are not clean."""
    states: dict[str, dict[str, str]] = defaultdict(dict)
    texts: dict[str, dict[str, str]] = defaultdict(dict)
    for check, by_session in report.states.items():
        by_month: dict[str, list[str]] = defaultdict(list)
        for session, state in by_session.items():
            by_month[session[:_MONTH]].append(state)
        for month, found in by_month.items():
            states[check][month] = max(found, key=lambda it: _LEVELS[it])
            unclean = sum(it != "passed" for it in found)
            texts[check][month] = f"{unclean} of {len(found)} sessions do not pass"
    return _heat_map(states, texts, sorted({it[:_MONTH] for it in report.sessions}))


def _heat_map(
    states: Mapping[str, Mapping[str, str]],
    texts: Mapping[str, Mapping[str, str]],
    spans: Sequence[str],
) -> go.Figure:
    checks = sorted(states, reverse=True)
    figure = go.Figure(
        go.Heatmap(
            x=spans,
            y=[escape(it) for it in checks],
            z=[[_LEVELS.get(states[it].get(span, "")) for span in spans] for it in checks],
            # Plotly reads what looks like HTML in its texts.
            text=[[escape(texts[it].get(span, "not judged")) for span in spans] for it in checks],
            hovertemplate="%{x}<br>%{y}<br>%{text}<extra></extra>",
            colorscale=[
                *((0, PASSED), (1 / 3, PASSED), (1 / 3, WARNED), (2 / 3, WARNED)),
                *((2 / 3, FAILED), (1, FAILED)),
            ],
            zmin=0,
            zmax=2,
            showscale=False,
            xgap=1,
            ygap=1,
        )
    )
    figure.update_xaxes(type="category", nticks=12)
    return _laid_out(figure, 90 + _ROW_PX * max(len(checks), 1))


def pass_rate(report: Report) -> go.Figure:
    """Share of verdicts that passed, by session; by month where there are many."""
    width = len("2012-07-02") if len(report.sessions) <= 2 * 252 else _MONTH
    judged: Counter[str] = Counter()
    passed: Counter[str] = Counter()
    for states in report.states.values():
        for session, state in states.items():
            judged[session[:width]] += 1
            passed[session[:width]] += state == "passed"
    spans = sorted(judged)
    shares = [100 * passed[it] / judged[it] for it in spans]
    figure = go.Figure(go.Scatter(x=spans, y=shares, mode="lines+markers", line_color=_LINE))
    figure.update_yaxes(ticksuffix=" %", range=[0, 105])
    return _laid_out(figure, 260)


def rows(report: Report) -> go.Figure:
    """Prices in the warehouse by session."""
    figure = go.Figure(
        go.Scatter(
            x=list(report.rows), y=list(report.rows.values()), mode="lines", line_color=_LINE
        )
    )
    figure.update_yaxes(rangemode="tozero")
    return _laid_out(figure, 240)


def durations(report: Report) -> go.Figure:
    """How long runs took, by job."""
    by_job: dict[str, list[Any]] = defaultdict(list)
    for run in report.runs:
        by_job[run.job].append(run)
    figure = go.Figure(
        [
            go.Scatter(
                x=[it.started_at for it in its],
                y=[it.seconds for it in its],
                text=[it.status for it in its],
                mode="markers",
                name=escape(job),
                hovertemplate="%{x}<br>%{y:.1f} s, %{text}",
            )
            for job, its in sorted(by_job.items())
        ]
    )
    figure.update_yaxes(ticksuffix=" s", rangemode="tozero")
    return _laid_out(figure, 280)


def candles(bars: Bars) -> go.Figure:
    """A bar that offends among its neighbours."""
    columns = bars.columns
    days = [str(day) for day in columns["TradeDate"]]
    figure = go.Figure(
        go.Candlestick(
            x=days,
            open=columns["Open"],
            high=columns["High"],
            low=columns["Low"],
            close=columns["Close"],
            increasing_line_color=PASSED,
            decreasing_line_color=FAILED,
        )
    )
    figure.add_vline(x=days.index(bars.session), line_dash="dot", line_color=WARNED)
    lowest, highest = min(columns["Low"]), max(columns["High"])
    wide = highest > _LOG_SPAN * lowest > 0
    figure.update_xaxes(type="category", rangeslider_visible=False, nticks=6)
    figure.update_yaxes(type="log" if wide else "linear")
    return _laid_out(figure, 260)


def _laid_out(figure: go.Figure, height: int) -> go.Figure:
    figure.update_xaxes(automargin=True)
    figure.update_yaxes(automargin=True)
    return figure.update_layout(
        height=height,
        margin={"l": 10, "r": 10, "t": 10, "b": 10},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        font={"family": "system-ui, sans-serif", "size": 12},
        legend={"orientation": "h"},
    )
