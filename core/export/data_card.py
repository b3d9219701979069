"""The data card of an export: where its rows come from, how they were chosen, what that shows.

Front matter as the Hugging Face hub reads it. Names and sources are people's text, so they are
escaped.
"""

from __future__ import annotations

import collections
import html
import importlib
import json
import re
import shlex
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq

from core.dataset.artifact import DatasetSummary, FromFile, examples_file
from core.dataset.settings import BEFORE as IMPORTED_BEFORE
from core.edits.row_sets import words
from core.export.writers import BATCH, EXPORT_FORMATS
from core.selection.artifact import SelectionSummary, load_rows
from core.selection.reproduce import lineage
from core.selection.settings import BEFORE as SELECTED_BEFORE
from core.selection.strategies.catalog import STRATEGIES
from core.settings import specs, to_argv
from core.workspace.artifact import Artifact

VARIABLES = {
    **{"dataset": "D", "trajectories": "T", "clusters": "C", "selection": "S"},
    **{"finetune": "F", "study": "Y"},
}
BEFORE = {"dataset": IMPORTED_BEFORE, "selection": SELECTED_BEFORE}
"""What artifacts did before there were some settings, where that is not the default."""
LISTED = 30
"""Sources shown one by one."""
FOLDERS = re.compile(r"((?:^|,)(?:[\w.-]+=)?)[/~](?:[^,]*/)?")
"""Before a value, a part of a list or what follows NAME=: the folders of a path of this machine."""
SIZES = {
    10**3: "n<1K",
    10**4: "1K<n<10K",
    10**5: "10K<n<100K",
    10**6: "100K<n<1M",
    10**7: "1M<n<10M",
    10**8: "10M<n<100M",
}
LIMITS = """\
- Nothing here certifies that a model trained on these rows is as good as one trained on all.
  Train on a random selection of the same size too, and test both.
- Errors, duplicates and biases of the original data are still in it; selecting repairs nothing."""
S2L_LIMITS = """\
- SmallToLarge (arXiv 2403.07384) rests on the assumption that examples whose loss moves alike in a
  small proxy have like gradients in the target. It was not tested here for any target.
- Clusters share the budget evenly, so what is rare is kept, and so is noise: wrong labels form
  clusters too. Later work finds the method about level with random on broad, noisy pools. It suits
  repetitive, imbalanced, fairly clean mixtures.
- k-means cuts a continuum: a cluster is not a kind. Losses of short answers are noisy."""


Lengths = collections.Counter[int]
"""Length -> rows."""


class Spread(NamedTuple):
    """What the pool and the selection hold."""

    sources: dict[str, tuple[int, int]]
    """Source -> rows in the pool, rows selected; largest in the pool first."""
    lengths: dict[str, tuple[Lengths, Lengths]]
    """Column -> characters a row in the pool, and in the selection."""


def write(artifact: Artifact, format: str, command: str, left_out: Sequence[str] = ()) -> str:
    """Return the card as markdown.

    Args:
        format: A key of EXPORT_FORMATS.
        command: How a trainer is started on the data, empty where none was asked for.
        left_out: What the format or the trainer leaves out, a sentence each.
    """
    line = lineage(artifact)
    dataset = artifact.ancestor("dataset")
    config, summary = artifact.config, artifact.summary_as(SelectionSummary)
    strategy = str(config["strategy"])
    spread = measure(dataset, artifact)
    rows, pool = summary["rows"], summary["pool"]
    share = f"{rows:,} of {pool:,} eligible rows ({100 * rows / pool:.1f}%)"
    facts = [
        ("strategy", f"`{strategy}`: {STRATEGIES[strategy].sentence}"),
        ("budget", f"{plain(str(config['budget']))}: {share}"),
        ("seed", f"{config['seed']}"),
        ("response tokens", _tokens(summary)),
        ("excluded or pinned by people", edits_of(summary)),
        ("sha256 of the ids, sorted, joined by line feeds", f"`{summary['ids_sha256']}`"),
    ]
    origins = [
        (a.kind, plain(a.name), f"`{a.id}`", plain(str(a.manifest["versions"].get("code", ""))))
        for a in line
    ]
    parts = [
        _front_matter(artifact, format),
        f"# {plain(artifact.name)}",
        f"{words(rows)} selected from {plain(dataset.name)} by S2L Studio. "
        + EXPORT_FORMATS[format].sentence,
        *([f"Train on it from inside this folder: `{command}`"] if command else []),
        "## How the rows were chosen",
        table(("", ""), facts),
        "## Where they come from",
        table(("what", "name", "id", "made by code version"), origins),
        "## What they hold",
        _sources(spread),
        _lengths(spread),
        "## What was left out",
        _left_out(dataset, summary, left_out),
        "## Limits",
        LIMITS + ("\n" + S2L_LIMITS if STRATEGIES[strategy].switches else ""),
        "## How to reproduce",
        f"In its workspace: `python -m core reproduce {artifact.id}`. From the start:",
        "```bash\n" + "\n".join(commands(line)) + "\n```",
        "Another processor, or other versions of the libraries, can give other losses and so other "
        "rows; compare the sha256 above.",
        "## Licence",
        "That of the original data. Selecting rows gives no right that the data did not.",
    ]
    return "\n\n".join(parts) + "\n"


def commands(line: list[Artifact]) -> list[str]:
    """Return the commands that make a lineage again, each result in a variable.

    Of a path only the name is told: a card is for others.
    """
    counts: collections.Counter[str] = collections.Counter()
    names: dict[str, str] = {}
    copied = set()
    out = []
    for one in line:
        settings = settings_of(one)
        if getattr(settings, "edits", 0) or getattr(settings, "without", 0):
            dataset = one.ancestor("dataset").id
            if dataset not in copied:
                copied.add(dataset)
                place = "${S2L_WORKSPACE:-workspace}/edits"
                out += [
                    "# OLD is the workspace with the edits that people made of this dataset",
                    f'mkdir -p "{place}"',
                    f'cp "$OLD/edits/{dataset}.jsonl" "{place}/{names[dataset]}.jsonl"',
                ]
        argv = []
        for arg in to_argv(settings):
            shown = without_folders(arg)
            known = [names.get(id, "") for id in shown.split(",")]  # ids can stand in a list
            argv.append(",".join(known) if all(known) else shlex.quote(shown))
        letter = VARIABLES[one.kind]
        counts[letter] += 1
        name = letter + (f"{counts[letter]}" if counts[letter] > 1 else "")
        names[one.id] = f"${name}"
        out.append(f"{name}=$(python -m core {one.kind} {' '.join(argv)})")
        if sha256 := one.summary_as(FromFile).get("source_sha256"):
            out[-1] += f"  # a file of sha256 {sha256}"
    return out


def without_folders(value: str) -> str:
    """Return a setting's value with the names of its files alone, in a list and after NAME= too.

    >>> without_folders("gsm8k,svamp=/home/me/svamp.jsonl")
    'gsm8k,svamp=svamp.jsonl'
    """
    return FOLDERS.sub(r"\1", value)


def settings_of(artifact: Artifact) -> Any:
    """Return the settings an artifact was made with, as far as they define its result."""
    cls = importlib.import_module(f"core.{artifact.kind}").Settings
    known = {s.name for s in specs(cls) if s.identity}
    before = BEFORE.get(artifact.kind, {})  # it may be older than some setting
    return cls(**before | {k: v for k, v in artifact.config.items() if k in known})


def measure(dataset: Artifact, artifact: Artifact) -> Spread:
    """Count the sources and lengths of the pool and of the selection, a batch at a time."""
    selected = np.zeros(dataset.summary_as(DatasetSummary)["rows"], bool)
    selected[load_rows(artifact)] = True
    before: collections.Counter[str] = collections.Counter()
    after: collections.Counter[str] = collections.Counter()
    columns = ("prompt", "response")
    lengths = {c: (collections.Counter[int](), collections.Counter[int]()) for c in columns}
    start = 0
    with pq.ParquetFile(examples_file(dataset)) as file:
        for batch in file.iter_batches(BATCH, columns=["source", "split", *columns]):
            sources = np.asarray(batch["source"].to_pylist(), object)
            pool = np.asarray(batch["split"].to_pylist(), object) == "pool"
            chosen = selected[start : start + len(batch)]
            before.update(sources[pool].tolist())
            after.update(sources[chosen].tolist())
            for column, counts in lengths.items():
                characters = pc.utf8_length(batch[column]).to_numpy()
                for count, mask in zip(counts, (pool, chosen), strict=True):
                    count.update(characters[mask].tolist())
            start += len(batch)
    order = sorted(before, key=lambda s: (-before[s], s))
    return Spread(
        {s: (before[s], after[s]) for s in order},
        lengths,
    )


def _left_out(dataset: Artifact, selected: SelectionSummary, notes: Sequence[str]) -> str:
    """List what is not in the export: rows, in the order of the pipeline, then parts of rows."""
    s = dataset.summary_as(DatasetSummary)
    lines = [
        f"{words(sum(s['set_aside'].values()))} of {s['rows_read']:,} could not be used: "
        + ", ".join(f"{plain(reason)} {n:,}" for reason, n in s["set_aside"].items())
        if s["set_aside"]
        else "",
        f"{words(s['not_sampled'])} not in the sample that was imported"
        if s.get("not_sampled")
        else "",
        f"{words(s['holdout_rows'])} held out for testing" if s["holdout_rows"] else "",
        f"{words(selected['pool'] - selected['rows'])} of the pool not selected",
        *(plain(note) for note in notes),
    ]
    return "\n".join(f"- {line}" for line in lines if line)


def _front_matter(artifact: Artifact, format: str) -> str:
    rows = artifact.summary_as(SelectionSummary)["rows"]
    size = next((name for n, name in SIZES.items() if rows < n), "n>100M")
    lines = [
        f"pretty_name: {json.dumps(artifact.name)}",
        "license: other",
        "license_name: that-of-the-original-data",
        "task_categories:\n- text-generation",
        "tags:\n- data-selection\n- s2l",
        f"size_categories:\n- {size}",
    ]
    if format != "ids":
        files = "data-*.arrow" if format == "datasets" else EXPORT_FORMATS[format].file
        lines.append(f"configs:\n- config_name: default\n  data_files: {files}")
    return "---\n" + "\n".join(lines) + "\n---"


def _sources(spread: Spread) -> str:
    shown = list(spread.sources.items())
    if len(shown) > LISTED:
        rest = np.array([counts for _, counts in shown[LISTED - 1 :]]).sum(0).tolist()
        shown = [*shown[: LISTED - 1], (f"{len(shown) - LISTED + 1:,} others", tuple(rest))]
    total = np.array([counts for _, counts in shown]).sum(0).tolist()
    rows = [
        (plain(source), f"{a:,}", f"{b:,}", f"{a / total[0]:.1%}", f"{b / total[1]:.1%}")
        for source, (a, b) in [*shown, ("all", tuple(total))]
    ]
    heads = ("source", "pool", "selected", "share of the pool", "share of the selection")
    return table(heads, rows)


def _lengths(spread: Spread) -> str:
    rows = []
    for column, (pool, chosen) in spread.lengths.items():
        for who, counts in (("pool", pool), ("selected", chosen)):
            values, rows_each = np.array(sorted(counts.items())).T
            cuts = np.quantile(
                values, [0.1, 0.5, 0.9, 1.0], weights=rows_each, method="inverted_cdf"
            )
            rows.append((f"{column}, {who}", *(f"{n:,}" for n in cuts)))
    return table(("characters", "10%", "median", "90%", "longest"), rows)


def _tokens(summary: SelectionSummary) -> str:
    if not summary["pool_response_tokens"]:
        return "not counted: no proxy was trained"
    return f"{summary['response_tokens']:,} of {summary['pool_response_tokens']:,}, by the proxy"


def edits_of(summary: SelectionSummary) -> str:
    """Say how many rows people took out and put in."""
    counts = summary.get("excluded", 0), summary.get("pinned", 0)
    return f"{words(counts[0])} excluded, {words(counts[1])} pinned"


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a markdown table; its cells are markdown already."""
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def plain(text: str) -> str:
    """Return people's text on one line, with nothing in it that markdown or HTML would obey."""
    text = html.escape(" ".join(text.split()), quote=False)
    return "".join(f"\\{c}" if c in r"\`*_{}[]()#|~$" else c for c in text)
