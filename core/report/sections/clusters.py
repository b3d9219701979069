"""Kinds of examples: the map, the ribbons, what was kept of each cluster."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from core import layout
from core.arrays import Float32s, Labels
from core.clusters import how_learned, statistics
from core.clusters.artifact import QUANTILES, TABLE, load_labels, load_quantiles, load_table
from core.clusters.distinct_names import distinct
from core.dataset.privacy import is_private
from core.edits.log import replay
from core.errors import InputError
from core.layout.artifact import XY, load_xy
from core.report import colours
from core.report.document import (
    Block,
    Paragraph,
    Picture,
    Quoted,
    Section,
    Span,
    Spans,
    Table,
    fact,
    missing,
    worked_out,
)
from core.report.pictures import bars, dots, ribbons
from core.report.project import Project
from core.report.sections.question import not_there
from core.selection.artifact import TABLE as SELECTED
from core.selection.artifact import load_table as selected_table
from core.trajectories.artifact import from_start, load_flags, load_losses, load_steps
from core.workspace.store import Workspace


class Kinds(NamedTuple):
    """Clusters as every picture of the report has them."""

    table: pd.DataFrame
    """cluster, size, first_loss, final_loss, source, behaviour, shown (its name), taken (selected
    rows; -1 where nothing is selected); the largest first."""
    labels: Labels
    quantiles: pd.DataFrame
    """Of the recordings that are compared and drawn."""
    colours: list[str]
    tips: dict[int, str]
    recordings: tuple[int, int]
    """Drawn, and all that are compared."""


def kinds(project: Project) -> Kinds:
    """Read the clusters of a project, named and described; of private data only by number."""
    made, recorded = project.clusters, project.trajectories
    assert made is not None
    assert recorded is not None
    table, labels, quantiles = load_table(made), load_labels(made), load_quantiles(made)
    flags, used = load_flags(recorded), labels >= 0
    losses, steps = load_losses(recorded), load_steps(recorded)
    rows = np.flatnonzero(used)
    pool = statistics.quantiles(np.asarray(losses[rows]), np.zeros(len(rows), np.int64), steps)
    middle = flags["n_response"].to_numpy()[rows]
    lengths = (float(np.quantile(middle, 0.25)), float(np.quantile(middle, 0.75)))
    start = bool(steps[0] == 0)
    table["behaviour"] = how_learned.behaviours(quantiles, table, pool, lengths, start=start)
    names = distinct(*(table[part].tolist() for part in ("name", "behaviour", "final_loss")))
    named = replay(project.dataset).names.get(made.id, {})
    private = is_private(project.dataset)
    table["shown"] = [
        f"cluster {c}" if private else f"{c} · {named.get(c, name)}"
        for c, name in zip(table["cluster"], names, strict=True)
    ]
    table["taken"] = -1
    if project.selection is not None:
        counts = selected_table(project.selection, ["cluster"])["cluster"].value_counts()
        table["taken"] = table["cluster"].map(counts).fillna(0).astype(int)
    table = table.sort_values("size", ascending=False, kind="stable").reset_index(drop=True)
    first = 0 if from_start(recorded, bool(made.config.get("include_start"))) else 1
    compared = steps.tolist()[first:]
    drawn = ribbons.thinned(compared)
    k = int(table["cluster"].max()) + 1
    final = table.set_index("cluster")["final_loss"].reindex(range(k)).tolist()
    tips = {int(line["cluster"]): _tip(line) for line in table.to_dict("records")}
    return Kinds(
        table,
        labels,
        quantiles[quantiles["step"].isin(drawn)],
        colours.palette(k, final),
        tips,
        (len(drawn), len(compared)),
    )


def _tip(line: dict[Hashable, Any]) -> str:
    taken = f", {line['taken']:,} selected" if line["taken"] != -1 else ""
    return (
        f"{line['shown']}\n{line['size']:,} rows{taken}\nloss {line['first_loss']:.2f} → "
        f"{line['final_loss']:.2f}\n{line['behaviour']}"
    )


def clusters(project: Project, kinds: Kinds | None) -> Section:
    """Draw the map and the ribbons."""
    title = "Kinds of examples"
    if kinds is None:
        return Section("kinds", title, not_there(project))
    return Section(
        "kinds", title, [*_map(project, kinds), _ribbons(project, kinds), _table(project, kinds)]
    )


def _places(project: Project) -> tuple[Float32s, str]:
    """Return the map of the pages, or a quick one by PCA where that was not drawn."""
    recorded, made = project.trajectories, project.clusters
    assert recorded is not None
    assert made is not None
    features = str(made.config.get("features", "raw"))
    start = bool(made.config.get("include_start"))
    settings = layout.Settings(trajectories=recorded.id, features=features, include_start=start)
    drawn = layout.find(Workspace(recorded.root), settings)
    if drawn is not None:
        return load_xy(drawn), "UMAP"
    xy, _ = layout.place(
        np.asarray(load_losses(recorded)),
        load_flags(recorded)["id"].to_numpy(),
        features,
        include_start=from_start(recorded, start),
        method="pca",
        seed=0,
    )
    return xy, "PCA"


def _map(project: Project, kinds: Kinds) -> list[Block]:
    made = project.clusters
    assert made is not None
    try:
        xy, how = _places(project)
    except InputError as e:
        return [Paragraph(("There is no map: ", Quoted(str(e))))]
    rows = dots.drawn(xy, kinds.labels)
    if not len(rows):
        return [Paragraph(("There is no map: no row has a place.",))]
    there = int((np.isfinite(xy).all(1) & (kinds.labels >= 0)).sum())
    title = "Map: a dot is an example, a colour a cluster"
    svg = dots.picture("map", title, xy, kinds.labels, rows, kinds.colours, kinds.tips)
    large, small = kinds.table.iloc[0], kinds.table.iloc[-1]
    words: Spans = (
        f"Dots that are close lost their loss in the same way ({how}); how far "
        "apart islands lie means nothing. ",
        fact(made, "summary", "clusters"),
        " clusters: the largest, ",
        Quoted(str(large["shown"])),
        ", has ",
        worked_out(made, TABLE, f"{large['cluster']}/size", large["size"]),
        " examples, the smallest, ",
        Quoted(str(small["shown"])),
        ", ",
        worked_out(made, TABLE, f"{small['cluster']}/size", small["size"]),
        ".",
    )
    all_of_them = worked_out(made, XY, "placed", there)
    note: Spans = (
        "Drawn: ",
        worked_out(made, XY, "drawn", len(rows)),
        " of ",
        all_of_them,
        " examples" + (", a random sample." if len(rows) < there else ".") + " Places are rounded "
        "to a pixel, and the outermost lie at the edge. Islands are no proof of kinds.",
    )
    return [Picture("map", title, svg, words, note)]


def _ribbons(project: Project, kinds: Kinds) -> Picture:
    made = project.clusters
    assert made is not None
    shown = kinds.table.head(ribbons.PANELS)
    order = [int(c) for c in shown["cluster"]]
    title = "How each cluster was learned"
    svg = ribbons.picture(
        "ribbons",
        title,
        kinds.quantiles[kinds.quantiles["cluster"].isin(order)],
        order,
        dict(zip(order, shown["shown"], strict=True)),
        kinds.colours,
        kinds.tips,
    )
    counts = kinds.table["behaviour"].str.split(",").str[0].value_counts()
    words: list[Span] = [
        "Median loss and the middle eighty percent of each cluster while the proxy "
        "trains, in nats per response token, on the same axes. "
    ]
    for i, (behaviour, number) in enumerate(counts.items()):
        words += [
            ", " if i else "",
            worked_out(made, QUANTILES, str(behaviour), number),
            f" {behaviour}",
        ]
    words.append(".")
    drawn, compared = kinds.recordings
    note: list[Span] = []
    if len(shown) < len(kinds.table):
        note += [
            "Drawn: the ",
            worked_out(made, TABLE, "panels", len(shown)),
            " largest clusters of ",
            fact(made, "summary", "clusters"),
            ". ",
        ]
    if drawn < compared:
        note += [
            "Drawn: ",
            worked_out(made, QUANTILES, "recordings drawn", drawn),
            " of ",
            worked_out(made, QUANTILES, "recordings", compared),
            " recordings. ",
        ]
    return Picture("ribbons", title, svg, tuple(words), tuple(note))


def _table(project: Project, kinds: Kinds) -> Table:
    made = project.clusters
    assert made is not None
    heads = ["cluster", "rows", "loss at first", "loss at last", "how it was learned"]
    if project.selection is not None:
        heads.insert(2, "selected")
    rows = []
    for line in kinds.table.to_dict("records"):
        c = line["cluster"]
        cells: list[Spans] = [
            (Quoted(str(line["shown"])),),
            (worked_out(made, TABLE, f"{c}/size", line["size"]),),
            (worked_out(made, TABLE, f"{c}/first_loss", line["first_loss"], "{:.2f}".format),),
            (worked_out(made, TABLE, f"{c}/final_loss", line["final_loss"], "{:.2f}".format),),
            (str(line["behaviour"]),),
        ]
        if project.selection is not None:
            cells.insert(2, (worked_out(project.selection, SELECTED, f"{c}/taken", line["taken"]),))
        rows.append(cells)
    numbers = [int(c) for c in kinds.table["cluster"]]
    return Table("All clusters as a table", heads, rows, folded=True, clusters=numbers)


def kept(project: Project, kinds: Kinds | None) -> Section:
    """Draw what is kept of each cluster."""
    title = "What is kept"
    made = project.selection
    if made is None:
        parent = project.clusters or project.trajectories
        how = f" --parent {project.clusters.id}" if project.clusters is not None else ""
        if project.study is not None:
            return Section(
                "kept",
                title,
                [Paragraph(("No arm of this study draws evenly over the clusters.",))],
            )
        if parent is None or project.clusters is None:
            return Section("kept", title, not_there(project))
        return Section(
            "kept", title, [missing("No rows are selected.", f"python -m core selection{how}")]
        )
    if kinds is None:
        return Section("kept", title, [Paragraph(("The selection does not come from clusters.",))])
    shown = kinds.table.head(bars.BARS)
    name = "Rows of each cluster, and how many are selected"
    svg = bars.allocation("kept-bars", name, shown, kinds.tips, kinds.colours)
    whole = int((kinds.table["taken"] == kinds.table["size"]).sum())
    most = kinds.table.iloc[int(kinds.table["taken"].to_numpy().argmax())]
    words: list[Span] = [
        fact(made, "summary", "rows"),
        " of ",
        fact(made, "summary", "pool"),
        " rows are selected; ",
        worked_out(made, SELECTED, "clusters taken whole", whole),
        " of ",
        worked_out(made, SELECTED, "clusters", len(kinds.table)),
        " clusters are taken whole. The most rows, ",
        worked_out(made, SELECTED, f"{most['cluster']}/taken", most["taken"]),
        ", come from ",
        Quoted(str(most["shown"])),
        ".",
    ]
    note: list[Span] = []
    if len(shown) < len(kinds.table):
        note = ["Drawn: the ", worked_out(made, SELECTED, "bars", len(shown)), " largest clusters."]
    return Section("kept", title, [Picture("kept-bars", name, svg, tuple(words), tuple(note))])
