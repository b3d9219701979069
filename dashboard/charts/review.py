"""Charts of what a selection changed, how selections differ, how stable they are, the costs."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from dashboard.charts import figure, theme

_COLUMNS, _PANEL = 3, 190  # panels a line, height of one with its title
_CATEGORIES = 12  # of one panel: those whose share changes most
_DIFFERENCES = 20
_BAND = figure.rgba(theme.MUTED, 0.35)


def facet_distances(facets: pd.DataFrame, draws: int, rows: int) -> go.Figure:
    """How far the selection is from the pool in every facet (dot), beside random draws (band).

    A full dot is further than every draw; a hollow one is not.

    Args:
        facets: label, distance, low, median, high, further; drawn from the top down.
        draws: Random draws behind the band.
        rows: Of the selection and of every draw.
    """
    table = facets.iloc[::-1].reset_index(drop=True)
    fig = figure.rows(table["label"], right=90)
    gap = np.full(len(table), np.nan)
    fig.add_trace(
        go.Scatter(
            x=np.column_stack([table["low"], table["high"], gap]).ravel(),
            y=np.repeat(table.index, 3),
            mode="lines",
            hoverinfo="skip",
            line={"width": 9, "color": _BAND},
        )
    )
    for further, colour in ((True, theme.ACCENT), (False, "rgba(0,0,0,0)")):
        part = table[table["further"] == further]
        fig.add_trace(
            go.Scatter(
                x=part["distance"],
                y=part.index,
                mode="markers",
                customdata=part[["low", "high"]].to_numpy(),
                marker={"size": 11, "color": colour, "line": {"width": 2, "color": theme.ACCENT}},
                hovertemplate="selection %{x:.3f}<br>random draws %{customdata[0]:.3f} to "
                "%{customdata[1]:.3f}<extra></extra>",
            )
        )
    for y, further in zip(table.index, table["further"], strict=True):
        text = "further" if further else "as random"
        figure.note(fig, text, x=1, y=y, yref="y", xanchor="left", xshift=10)
    key = f'<span style="color:{theme.MUTED}">■</span> {draws:,} random draws of {rows:,} rows    '
    key += f'<span style="color:{theme.ACCENT}">●</span> the selection'
    figure.note(fig, key, x=0, y=1, yshift=6, xanchor="left", yanchor="bottom")
    title = "distance from the whole pool (0 the same, 1 nothing in common)"
    fig.update_xaxes(title={"text": title, "standoff": 8}, rangemode="tozero")
    return fig


def facet_panels(facets: pd.DataFrame, shares: pd.DataFrame) -> go.Figure:
    """A panel a facet: shares of the selection (dots) and of random draws (bars from low to high).

    Numbers are cut into quantile bins of the pool, low to high; of many categories those that
    change most are drawn, the commonest left. A full dot lies outside the bar: with 20 draws chance
    alone does that to about one bin in ten, so that the mark is the facet's, beside its name.

    Args:
        facets: facet, label, unit, kind, further; a panel each, in this order.
        shares: facet, place, label, pool, selected, low, high (0 to 1).
    """
    lines = -(-len(facets) // _COLUMNS)
    fig = figure.bare(_PANEL * lines + 40)
    fig.set_subplots(lines, _COLUMNS, vertical_spacing=0.3 / max(lines, 1))
    figure.inked(fig)
    for n, facet in enumerate(facets.to_dict("records")):
        place = {"row": n // _COLUMNS + 1, "col": n % _COLUMNS + 1}
        part = shares[shares["facet"] == facet["facet"]]
        many = len(part)
        if facet["kind"] == "category":
            change = (part["selected"] - part["pool"]).abs()
            part = part.loc[change.nlargest(_CATEGORIES).index]
            part = part.sort_values(["pool", "place"], ascending=[False, True])
        _panel(fig, part.reset_index(drop=True), place)
        mark = f' <span style="color:{theme.ACCENT}">●</span>' if facet["further"] else ""
        if len(part) < many:
            below = f"{len(part)} of {many}, most changed"
        elif facet["kind"] == "category":
            below = ", ".join(figure.label(name, 10) for name in part["label"][:3])
            below += ", …" if many > 3 else ""
        else:
            below = figure.label(f"{facet['unit']}, low to high", 40)
        fig.update_xaxes(title={"text": below, "standoff": 4, "font": {"size": 11}}, **place)
        n_axis = "" if n == 0 else f"{n + 1}"
        figure.note(
            fig,
            figure.label(facet["label"]) + mark,
            x=0,
            y=1,
            xref=f"x{n_axis} domain",
            yref=f"y{n_axis} domain",
            xanchor="left",
            yanchor="bottom",
            yshift=4,
        )
    fig.update_xaxes(showticklabels=False, showgrid=False, zeroline=False)
    fig.update_yaxes(rangemode="tozero", ticksuffix="%", nticks=4, zeroline=False, automargin=True)
    for n in range(len(facets), lines * _COLUMNS):
        place = {"row": n // _COLUMNS + 1, "col": n % _COLUMNS + 1}
        fig.update_xaxes(visible=False, **place)
        fig.update_yaxes(visible=False, **place)
    return fig


def _panel(fig: go.Figure, part: pd.DataFrame, place: Mapping[str, int]) -> None:
    """Draw one facet's shares."""
    x, percent = np.arange(len(part)), 100 * part[["pool", "selected", "low", "high"]]
    fig.add_trace(
        go.Bar(
            x=x,
            base=percent["low"],
            y=percent["high"] - percent["low"],
            hoverinfo="skip",
            width=0.8,
            marker={"color": _BAND, "line": {"width": 0}},
        ),
        **place,
    )
    outside = (part["selected"] < part["low"]) | (part["selected"] > part["high"])
    colours = [theme.ACCENT if out else "rgba(0,0,0,0)" for out in outside]
    names = [figure.label(name) for name in part["label"]]
    fig.add_trace(
        go.Scatter(
            x=x,
            y=percent["selected"],
            mode="markers",
            text=names,
            customdata=percent["pool"],
            cliponaxis=False,
            marker={"size": 7, "color": colours, "line": {"width": 1.5, "color": theme.ACCENT}},
            hovertemplate="%{text}<br>%{y:.1f}% of the selection<br>%{customdata:.1f}% of the pool"
            "<extra></extra>",
        ),
        **place,
    )


def overlap_matrix(jaccard: pd.DataFrame, names: Mapping[str, str]) -> go.Figure:
    """The Jaccard index of every two selections, written in its square.

    Args:
        jaccard: Ids by ids, 0 to 1.
    """
    ids, values = list(jaccard.index), jaccard.to_numpy()
    n = len(ids)
    fig = figure.bare(max(160, 46 * n + 70), top=10)
    fig.add_trace(
        go.Heatmap(
            z=values,
            zmin=0,
            zmax=1,
            xgap=3,
            ygap=3,
            showscale=False,
            colorscale=[(0, figure.rgba(theme.ACCENT, 0.06)), (1, figure.rgba(theme.ACCENT, 0.75))],
            hovertemplate="%{z:.3f} of the rows in either are in both<extra></extra>",
        )
    )
    for (y, x), value in np.ndenumerate(values):
        text = "·" if x == y else f"{value:.2f}"
        figure.note(fig, text, x=x, y=y, xref="x", yref="y")
    short = [figure.label(names[id]) for id in ids]
    fig.update_xaxes(
        tickvals=np.arange(n), ticktext=short, showgrid=False, zeroline=False, automargin=True
    )
    fig.update_yaxes(
        tickvals=np.arange(n),
        ticktext=short,
        range=[n - 0.5, -0.5],
        showgrid=False,
        zeroline=False,
        automargin=True,
    )
    return fig


def difference_bars(table: pd.DataFrame, a: str, b: str, names: Mapping[str, str]) -> go.Figure:
    """How much more (right) or less (left) of each group the second selection took than the first.

    Args:
        table: group (a name, as it is to be read), pool, and the rows each selection took, under
            its id; largest change first. The first 20 lines are drawn.
    """
    table = table.head(_DIFFERENCES).iloc[::-1].reset_index(drop=True)
    fig = figure.rows(table["group"].astype(str), right=90)
    change = table[b] - table[a]
    fig.add_trace(
        go.Bar(
            x=change,
            y=table.index,
            orientation="h",
            customdata=table[[a, b, "pool"]].to_numpy(),
            marker={
                "color": [theme.ACCENT if c > 0 else theme.MUTED for c in change],
                "line": {"width": 0},
            },
            hovertemplate="%{customdata[0]:,} and %{customdata[1]:,} rows<br>"
            "of %{customdata[2]:,}<extra></extra>",
        )
    )
    for y, (one, two) in enumerate(zip(table[a], table[b], strict=True)):
        text = f"{one:,} → {two:,}"
        figure.note(fig, text, x=1, y=y, yref="y", xanchor="left", xshift=10)
    more, less = figure.label(names[b]), figure.label(names[a])
    key = f'<span style="color:{theme.MUTED}">■</span> more in {less}    '
    key += f'<span style="color:{theme.ACCENT}">■</span> more in {more}'
    figure.note(fig, key, x=0, y=1, yshift=6, xanchor="left", yanchor="bottom")
    fig.update_xaxes(
        title={"text": "rows more or less", "standoff": 8},
        zeroline=True,
        zerolinecolor=theme.MUTED,
        zerolinewidth=1,
    )
    fig.update_layout(bargap=0.35)
    return fig


def stability_figure(table: pd.DataFrame, switches: pd.DataFrame, chance: float) -> go.Figure:
    """How far rows' chances of being selected agree when one choice changes; least stable on top.

    Args:
        table: switch, variant, agreement (0 to 1); a dot each.
        switches: switch, agreement, rows (0 to 1), variants; a tick each, top down in this order.
        chance: Agreement with a plain random draw, drawn as a line.
    """
    order = switches.iloc[::-1].reset_index(drop=True)
    place = {switch: y for y, switch in enumerate(order["switch"])}
    fig = figure.rows(order["switch"], right=140)
    fig.add_vline(x=chance, line={"width": 1.5, "dash": "dot", "color": theme.MUTED})
    figure.note(
        fig, f"plain random {chance:.2f}", x=chance, y=1, xref="x", yshift=4, yanchor="bottom"
    )
    fig.add_trace(
        go.Scatter(
            x=table["agreement"],
            y=table["switch"].map(place),
            mode="markers",
            text=[figure.label(v) for v in table["variant"]],
            marker={"size": 9, "color": figure.rgba(theme.ACCENT, 0.55)},
            hovertemplate="%{text}<br>agreement %{x:.2f}<extra></extra>",
        )
    )
    fig.add_trace(
        go.Scatter(
            x=order["agreement"],
            y=order.index,
            mode="markers",
            hoverinfo="skip",
            marker={"symbol": "line-ns", "size": 18, "line": {"width": 3, "color": theme.ACCENT}},
        )
    )
    for y, (value, rows) in enumerate(zip(order["agreement"], order["rows"], strict=True)):
        text = f"{value:.2f}  ·  {100 * rows:.0f}%"
        figure.note(fig, text, x=1, y=y, yref="y", xanchor="left", xshift=10)
    head = "chances · same rows"
    figure.note(fig, head, x=1, y=1, xanchor="left", yanchor="bottom", xshift=10, yshift=4)
    title = "agreement of rows' chances of being selected (1 the same)"
    low = min(chance, float(table["agreement"].min()))
    fig.update_xaxes(title={"text": title, "standoff": 8}, range=[max(0, low - 0.08), 1.03])
    return fig
