"""The order in which a group of rows is read: typical first, doubtful first, hard first.

A new order is one function and one entry in ORDERS.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from core.arrays import Float64s, Ints, Labels, Losses
from core.clusters.distances import own, own_and_other
from core.trajectories.features import Features, features


class OrderedRows(NamedTuple):
    """The rows to be ordered, by row number."""

    losses: Losses
    """Nats per response token (n, n_checkpoints)."""
    x: Losses
    """Features, as they were clustered (n, n_features)."""
    labels: Labels
    """Cluster (n,), -1 for none."""
    centroids: Losses
    """Of all clusters (n_clusters, n_features)."""
    seed: int


def nearest(group: OrderedRows) -> Float64s:
    """Nearest to the own cluster's centre first: what the cluster is about."""
    return own(group.x, group.labels, group.centroids)


def boundary(group: OrderedRows) -> Float64s:
    """Smallest lead of the own centre over the next one first: what could be in another cluster."""
    near, other = own_and_other(group.x, group.labels, group.centroids)
    return other - near


def random(group: OrderedRows) -> Float64s:
    """Draw the order."""
    return np.random.default_rng(group.seed).permutation(len(group.labels)).astype(np.float64)


def highest(group: OrderedRows) -> Float64s:
    """Highest final loss first."""
    return -group.losses[:, -1].astype(np.float64)


def lowest(group: OrderedRows) -> Float64s:
    """Lowest final loss first."""
    return group.losses[:, -1].astype(np.float64)


class Order(NamedTuple):
    """An order to read rows in."""

    key: Callable[[OrderedRows], Float64s]
    """What rows are sorted by, smallest first (n,)."""
    title: str


ORDERS = {
    "nearest": Order(nearest, "Nearest the middle first"),
    "boundary": Order(boundary, "Nearest a boundary first"),
    "highest": Order(highest, "Highest final loss first"),
    "lowest": Order(lowest, "Lowest final loss first"),
    "random": Order(random, "Random"),
}


def order(
    losses: Losses,
    rows: Ints,
    labels: Labels,
    centroids: Losses,
    how: str,
    seed: int,
    *,
    kind: Features = "raw",
    include_start: bool = False,
) -> Ints:
    """Put rows in order for reading.

    Ties stand by row number, rows that the order cannot place (no cluster, no loss) last. The
    order in which `rows` come does not matter.

    Args:
        losses: Of all rows (n_rows, n_checkpoints), nats per response token.
        rows: The rows to order (n,).
        labels: Cluster of all rows (n_rows,), -1 for none.
        centroids: (n_clusters, n_features) of the clustering.
        how: A key of ORDERS.
        kind: Features that were clustered.
        include_start: Whether step 0 was one of them.

    Raises:
        ValueError: no such order.
    """
    if how not in ORDERS:
        raise ValueError(f"no order {how!r}; choose from {', '.join(ORDERS)}")
    rows = np.sort(rows)
    values = np.asarray(losses[rows], np.float32)
    x = features(values, kind, include_start=include_start)
    key = ORDERS[how].key(OrderedRows(values, x, labels[rows], centroids, seed))
    return rows[np.argsort(key, kind="stable")]
