"""Examples of what the target is to do: the queries that `like_target` takes the rows for.

Rows and queries are compared as in RDS+ (Ivison et al. 2025, arXiv 2503.01807): by the last hidden
states of their tokens, averaged with weights that grow with the place of the token, since a later
one has read more. The embeddings kept with trajectories weigh all tokens alike, so these are made
in one pass of the proxy, once for each dataset, and kept in the cache.
"""

from __future__ import annotations

import dataclasses
import pathlib
import secrets
import subprocess
import sys
from collections.abc import Callable
from typing import NamedTuple, TypedDict

import numpy as np

from core.arrays import Float32s, Halves, Ints, write_array
from core.dataset.run import load_any
from core.errors import InputError
from core.jobs.children import end_with_parent, environment
from core.jobs.progress import Progress, say
from core.model import loading, tokenizers
from core.model.scoring import score
from core.model.tokens import tokenize
from core.settings import Group, setting
from core.trajectories.artifact import load_flags
from core.workspace.artifact import Artifact, is_id
from core.workspace.files import ROOT, fingerprint, given, rename, sha256_file
from core.workspace.roles import editors
from core.workspace.store import Workspace

KEPT = "queries.npy"
"""In a selection's folder: the queries as they were compared, unit vectors (n_queries, width)."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class TargetQueries(Group):
    """What the rows of `like_target` are to be like."""

    queries: str = setting(
        "",
        help="Examples of what the target is to do, not its test: a file or the id of a dataset; "
        "like_target takes the rows likest to them",
        label="Examples to be like",
        names="test set",
        later=True,
    )


class QueriesSummary(TypedDict):
    """What a selection's manifest says of the queries it went by."""

    file: str
    """Name of the file, without its folder; empty where a dataset of the workspace was named."""
    sha256: str
    """Of the file."""
    dataset: str
    """Id of the dataset of the queries."""
    queries: int
    """Compared with."""
    left_out: int
    """Rows of the queries without a token."""
    cut: int
    """Queries longer than the proxy reads at once, compared by their beginning."""


class Queries(NamedTuple):
    """The queries, and the rows to compare with them."""

    points: Float32s
    """Unit vectors (n_queries, width)."""
    rows: Halves
    """Embeddings of the rows of the dataset chosen from (n_rows, width), 0 of those unread."""
    summary: QueriesSummary


def load(trajectories: Artifact, settings: TargetQueries) -> Queries:
    """Return what `like_target` compares, from the cache or made now by the proxy.

    Raises:
        InputError: the queries are none, or the trajectories have no proxy to read them with.
    """
    own = trajectories.ancestor("dataset")
    path = given(settings.queries)
    if path.name == KEPT and path.is_file():  # of a selection that is made again
        made = np.load(path)
        empty = QueriesSummary(file="", sha256="", dataset="", queries=len(made), left_out=0, cut=0)
        return Queries(made, _embeddings(trajectories, own), empty)
    _check_proxy(trajectories)
    id = dataset_of(trajectories, settings.queries)
    if id == own.id:
        raise InputError(
            f"--queries names {own.name}, which is what is chosen from; name examples of the task "
            "that the target is for"
        )
    dataset = trajectories.open(id, "dataset")
    embeddings = np.asarray(_embeddings(trajectories, dataset), np.float32)
    points, read = unit(embeddings)
    if not read.any():
        raise InputError(f"no row of {dataset.name} has a token that the proxy reads")
    if points.shape[1] != (rows := _embeddings(trajectories, own)).shape[1]:
        raise InputError(f"{dataset.name} was read by another proxy; delete the workspace's cache")
    summary = QueriesSummary(
        file="" if is_id(settings.queries) else path.name,
        sha256="" if is_id(settings.queries) else sha256_file(path),
        dataset=id,
        queries=int(read.sum()),
        left_out=int((~read).sum()),
        cut=int((_lengths(trajectories, dataset) > _window(trajectories)).sum()),
    )
    return Queries(points[read], rows, summary)


def ready(trajectories: Artifact, id: str) -> bool:
    """Say whether the proxy has read these queries and the rows to choose from."""
    both = (id, trajectories.ancestor("dataset").id)
    return all(_file(trajectories, one).exists() for one in both)


def identity(settings: TargetQueries) -> str:
    """Return what tells the queries from others: the hash of their file, or their id."""
    path = given(settings.queries)
    return sha256_file(path) if path.is_file() else settings.queries


def sentence(summary: QueriesSummary) -> str:
    """Say what was read of the queries, and what was not."""
    parts = [f"rows likest to {summary['queries']:,} queries"]
    parts += [f"{summary['left_out']:,} have no token"] if summary["left_out"] else []
    if summary["cut"]:
        parts.append(f"{summary['cut']:,} are longer than the proxy reads and compared as far")
    return "; ".join(parts)


def unit(points: Float32s) -> tuple[Float32s, np.ndarray[tuple[int], np.dtype[np.bool_]]]:
    """Return vectors of length 1 (n, width), 0 where there is none, and where there is one (n,)."""
    length = np.linalg.norm(np.nan_to_num(points, posinf=0, neginf=0), axis=1)
    read = np.isfinite(points).all(1) & (length > 0)
    out = np.zeros_like(points)
    out[read] = points[read] / length[read, None]
    return out, read


def dataset_of(trajectories: Artifact, text: str) -> str:
    """Return the id of the dataset that a file or id names, imported where it is none yet."""
    return load_any(Workspace(trajectories.root), text)


def _proxy(trajectories: Artifact) -> pathlib.Path:
    return trajectories.extended()[-1].path / "proxy"


def _check_proxy(trajectories: Artifact) -> None:
    if not (_proxy(trajectories) / "config.json").exists():
        raise InputError(
            f"like_target reads the queries with the proxy, and {trajectories.name} has none: its "
            "losses were imported; take trajectories of a proxy trained here"
        )


def _window(trajectories: Artifact) -> int:
    return int(trajectories.extended()[-1].config["max_length"])


def _file(trajectories: Artifact, dataset: str) -> pathlib.Path:
    key = fingerprint("by position", trajectories.id, dataset)
    return Workspace(trajectories.root).cache / "queries" / f"{key}.npy"


def _lengths(trajectories: Artifact, dataset: Artifact) -> Ints:
    proxy = _proxy(trajectories)
    workspace, template = Workspace(dataset.root), str(trajectories.config["template"])
    tokens = tokenize(workspace, dataset, tokenizers.load_tokenizer(str(proxy)), template)
    return tokens.full_lengths()


def _embeddings(trajectories: Artifact, dataset: Artifact) -> Halves:
    """Memory-map what the proxy makes of a dataset's rows (n_rows, width)."""
    file = _file(trajectories, dataset.id)
    if not file.exists():
        _check_proxy(trajectories)
        made = _read(trajectories, dataset)
        file.parent.mkdir(parents=True, exist_ok=True)
        work = file.with_name(f".{secrets.token_hex(4)}.npy")
        write_array(work, made)
        rename(work, file)
    return np.load(file, mmap_mode="r")  # type: ignore[no-any-return]


def _read(trajectories: Artifact, dataset: Artifact) -> Halves:
    proxy = _proxy(trajectories)
    model = loading.load_weights(str(proxy)).to(loading.device())  # type: ignore[arg-type]
    tokens = tokenize(
        Workspace(dataset.root),
        dataset,
        tokenizers.load_tokenizer(str(proxy)),
        str(trajectories.config["template"]),
        min(_window(trajectories), loading.positions(model)),
    )
    loading.check_vocabulary(model, tokens.highest())
    rows = np.flatnonzero(tokens.lengths() > 0)
    if dataset.id == trajectories.ancestor("dataset").id:
        rows = np.intersect1d(rows, np.flatnonzero(load_flags(trajectories)["flag"] == ""))
    say(f"reading {len(rows):,} rows of {dataset.name} with the proxy, to compare them")
    progress = Progress(f"read {dataset.name}", len(rows))
    pooled = score(model, tokens, rows, pool="by position", report=progress.update).pooled
    out = np.zeros((len(tokens), pooled.shape[1]), np.float16)
    out[rows] = pooled
    return out


@editors("let the proxy read examples")
def read_apart(
    trajectories: Artifact, text: str, report: Callable[[str], None] = lambda line: None
) -> str:
    """Read queries in a process that gives the model's memory back; return their dataset's id.

    Args:
        trajectories: Of the proxy that reads.
        text: A file or id of the queries.
        report: Told each line of progress.

    Raises:
        InputError: as `load`.
    """
    id = dataset_of(trajectories, text)
    last = ""
    with subprocess.Popen(
        [sys.executable, "-m", __name__, str(trajectories.root), trajectories.id, id],
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        cwd=ROOT,
        env=environment(),
    ) as reading:
        assert reading.stderr is not None
        try:
            for line in filter(None, map(str.strip, reading.stderr)):
                last = line
                report(line)
        except BaseException:  # a page that is left
            reading.kill()
            raise
    if reading.returncode:
        raise InputError(last or "the proxy was ended while it read the examples")
    return id


def main() -> None:
    """Read queries as `read_apart` asks."""
    end_with_parent()
    root, id, text = sys.argv[1:]
    try:
        load(Workspace(root).open(id, "trajectories"), TargetQueries(queries=text))
    except InputError as e:
        sys.exit(str(e))


if __name__ == "__main__":
    main()
