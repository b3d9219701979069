"""Reports: each number is that of its source, nothing is typed, texts do nothing or stay away."""

import base64
import hashlib
import html.parser
import json
import re

import numpy as np
import pandas as pd
import pytest

from core import report
from core.__main__ import main
from core.errors import InputError
from core.report.html import HERE
from core.report.pictures import dots, ribbons
from core.report.project import as_text, of, verdict
from core.report.run import page
from core.study import artifact as study_artifact
from core.study import costs, findings
from core.workspace import files, manifest
from tests.conftest import HOSTILE, MARKUP, SOURCE

KINDS = ("trajectories", "clusters", "selection", "finetune", "study")
VOID = {"meta", "rect", "line", "path", "circle"}
OURS = re.compile(r"S2L|SmallToLarge|SHA-256|arXiv 2403\.07384|UMAP|PCA")


class Page(html.parser.HTMLParser):
    """What stands in a page: numbers with their source, sentences, bare text, elements."""

    def __init__(self, text):
        super().__init__()
        self.numbers, self.bare, self.elements, self.open = [], [], [], []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append((tag, dict(attrs)))

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        if tag not in VOID or (self.open and self.open[-1][0] == tag):
            assert self.open.pop()[0] == tag

    def handle_data(self, text):
        tag, attrs = self.open[-1] if self.open else ("", {})
        if tag == "data":
            self.numbers.append((attrs["data-from"], json.loads(attrs["value"]), text))
        inside = {t for t, _ in self.open}
        named = any("data-from" in a for _, a in self.open)
        if not named and not inside & {"bdi", "svg", "script", "style", "pre", "code", "title"}:
            self.bare.append(text)


@pytest.fixture(scope="module")
def seeds(finished):
    """A study of four seeds with numbers that are known, one run failed."""
    made = finished.workspace.open(finished.study)
    lines = study_artifact.all_lines(made)
    lines = pd.concat([lines.assign(seed=n) for n in range(4)], ignore_index=True)
    lines["loss"] = np.arange(len(lines)) % 5 / 7 + lines["seed"] / 3
    lines.loc[lines["arm"].eq("full") & lines["seed"].eq(2), "loss"] = np.nan
    draft = finished.workspace.draft(
        "study", name="four", config=made.config, parents=made.parents, fingerprint="four"
    )
    study_artifact.write(draft, lines, pd.read_parquet(made.path / "base.parquet"))
    facts = {**made.summary, "seeds": [0, 1, 2, 3], "failed": ["full seed 2: <b>broke</b>"]}
    return draft.seal(facts)


def worked_out(artifact, finished):
    """Count by hand what a report of an artifact works out: key -> value."""
    opened = {kind: finished.workspace.open(getattr(finished, kind)) for kind in KINDS[:4]}
    labels = np.load(opened["clusters"].path / "labels.npy")
    losses = np.load(opened["trajectories"].path / "losses.npy")
    chosen = pd.read_parquet(opened["selection"].path / "table.parquet")
    examples = pd.read_parquet(finished.workspace.open(finished.dataset).path / "examples.parquet")
    ids, out = sorted(set(labels) - {-1}), {}
    for c in ids:
        own = labels == c
        out[f"table.parquet:{c}/size"] = int(own.sum())
        out[f"table.parquet:{c}/first_loss"] = losses[own, 0].mean()
        out[f"table.parquet:{c}/final_loss"] = losses[own, -1].mean()
        out[f"table.parquet:{c}/taken"] = int((chosen["cluster"] == c).sum())
    whole = [out[f"table.parquet:{c}/taken"] == out[f"table.parquet:{c}/size"] for c in ids]
    out["table.parquet:clusters taken whole"], out["table.parquet:clusters"] = sum(whole), len(ids)
    out["xy.npy:placed"] = out["xy.npy:drawn"] = int((labels >= 0).sum())
    pool = examples[examples["split"] == "pool"]
    counts = pool["source"].value_counts().to_dict()
    selected = examples.iloc[chosen["row"]]["source"].value_counts().to_dict()
    for i, source in enumerate(sorted(counts, key=lambda s: (-counts[s], s))):
        n, m = counts[source], selected.get(source, 0)
        out |= {f"table.parquet:source {i}/pool": n, f"table.parquet:source {i}/selected": m}
        out[f"table.parquet:source {i}/share of the pool"] = n / len(pool)
        out[f"table.parquet:source {i}/share of the selection"] = m / len(chosen)
    if artifact.kind == "study":
        out |= of_study(artifact)
    return out


def of_study(artifact):
    lines, out = pd.read_parquet(artifact.path / "table.parquet"), {}
    n = lines["seed"].nunique()
    out |= {"table.parquet:seeds": n, "table.parquet:runs": len(lines)}
    t = {3: 4.302652729911275, 4: 3.182446305284263}  # Student's t, 97.5%, 2 and 3 degrees
    keys = [k for k in ("balanced_loss", "loss", "exact_match", "coverage") if k in lines]
    for arm, part in lines.groupby("arm"):
        out[f"table.parquet:{arm}/rows"] = part["rows"].mean()
        out[f"table.parquet:{arm}/seeds"] = len(part)
        for key in keys:
            values = part[key].dropna().to_numpy()
            spread = values.std(ddof=1) if len(values) > 2 else np.nan
            half = t.get(len(values), np.nan) * spread / np.sqrt(max(1, len(values)))
            of = f"table.parquet:{arm}/{key}"
            out |= {f"{of}/mean": values.mean(), f"{of}/low": values.mean() - half}
            out[f"{of}/high"] = values.mean() + half
    table = costs.by_arm(artifact).set_index("arm")
    for arm in table.index:
        for part in ("training", "testing", "proxy", "tokens"):
            out[f"table.parquet:{arm}/{part}"] = table.loc[arm, part]
    for key in keys:
        wide = lines.pivot_table(index="seed", columns="arm", values=key)
        scale = 100 if key in ("exact_match", "coverage") else 1
        differences = scale * (wide["s2l"] - wide["random"]).to_numpy()
        spread = differences.std(ddof=1) if n > 2 else np.nan
        half = t.get(n, np.nan) * spread / np.sqrt(n)
        of = f"table.parquet:s2l minus random/{key}"
        out |= {f"{of}/difference": differences.mean(), f"{of}/seeds": n}
        out |= {f"{of}/low": differences.mean() - half, f"{of}/high": differences.mean() + half}
    return out


def resolve(workspace, source):
    """Follow `id#/json/pointer` into a manifest, read from the disk anew."""
    id, _, path = source.partition("#")
    value = files.read_json(workspace.open(id).path / manifest.NAME)
    for key in path.split("/")[1:]:
        value = value[key.replace("~1", "/").replace("~0", "~")]
    return value


@pytest.mark.parametrize("kind", [*KINDS, "seeds"])
def test_each_number_is_that_of_its_source_and_none_is_typed(kind, finished, request):
    workspace = finished.workspace
    made = request.getfixturevalue("seeds") if kind == "seeds" else None
    artifact = made or workspace.open(getattr(finished, kind))
    found = Page(page(artifact))
    expected = worked_out(artifact, finished)
    for source, value, shown in found.numbers:
        what = source.partition("#")[2]
        if what.startswith("/"):
            assert value == resolve(workspace, source), source
        elif what.startswith(("quantiles.parquet:", "examples.parquet:")):
            assert isinstance(value, int)
        else:
            assert value == pytest.approx(expected[what], rel=1e-5, abs=1e-9), source
        if isinstance(value, int | float):
            number = float(shown.replace(",", "").rstrip("%"))
            decimals = len(shown.rstrip("%").partition(".")[2])
            exact = value * (100 if shown.endswith("%") else 1)
            assert abs(number - exact) <= 0.500001 * 10**-decimals, (source, shown, value)
    typed = [text for text in found.bare if re.search(r"\d", OURS.sub("", text))]
    assert typed == []
    assert len(found.numbers) > 10


def test_the_verdict_is_the_sentence_of_the_study_page(seeds):
    table = study_artifact.table(seeds)
    first = next(iter(findings.known(table)))
    said = findings.sentences(seeds, table, first)
    assert as_text(verdict(of(seeds))) == said[0]
    text = page(seeds)
    marks = [a for tag, a in Page(text).elements if tag == "circle"]
    drawn = {(a["data-arm"], int(a["data-seed"])): float(a["data-value"]) for a in marks}
    runs = {
        (r["arm"], r["seed"]): r[first] for r in table.to_dict("records") if r[first] == r[first]
    }
    assert drawn == pytest.approx(runs)
    assert "<b>broke" not in text


def test_a_missing_piece_is_named_with_the_command_that_makes_it(finished):
    text = page(finished.workspace.open(finished.trajectories))
    assert f"python -m core clusters --trajectories {finished.trajectories}" in text
    text = page(finished.workspace.open(finished.clusters), "md")
    assert f"python -m core selection --parent {finished.clusters}" in text
    assert f"python -m core study --clusters {finished.clusters}" in text


def inert(text):
    """Check that a page has our one script, and no element or attribute that texts could make."""
    found = Page(text)
    tags = {tag for tag, _ in found.elements}
    assert not tags & {"img", "iframe", "b", "object", "embed", "form", "link", "base"}
    assert [name for _, a in found.elements for name in a if name.startswith("on")] == []
    script = (HERE / "page.js").read_text()
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert sum(tag == "script" for tag, _ in found.elements) == 1
    assert f"script-src 'sha256-{digest}'" in text
    assert text.count(script) == 1
    links = {a["href"] for tag, a in found.elements if tag == "a"}
    assert {link for link in links if not link.startswith("#")} == {
        "https://arxiv.org/abs/2403.07384"
    }
    assert not re.search("[\u202a-\u202e\u2066-\u2069\x00\x07\x1b]", text)


def test_hostile_names_and_texts_do_nothing(copied):
    workspace, evil = copied.workspace, " ".join([*HOSTILE, *MARKUP])
    for kind in ("dataset", "clusters", "selection", "study"):
        made = workspace.open(getattr(copied, kind))
        facts = {k: v for k, v in made.manifest.items() if k != "self_sha256"}
        facts["name"] = evil
        files.write_json(made.path / manifest.NAME, manifest.signed(facts))
    artifact = workspace.open(copied.study)
    text = page(artifact, with_texts=True)
    inert(text)
    assert "&lt;script&gt;window.__pwned=1" in text, "it is shown as it is"
    short = page(workspace.open(copied.study), "md", with_texts=True)
    without = page(workspace.open(copied.study), "md")
    assert without.count("\n") < 75, "a summary to paste"
    assert without.startswith("# ")
    assert "python -m core study" in without, "with the commands that repeat it"
    for line in short.splitlines():
        assert not re.search(r"(?<!\\)<|(?<!\\)\]\(javascript|!\[", line.replace("<br>", "")), line
    assert "http://" not in short


def test_texts_stand_in_a_report_only_where_asked_and_never_of_private_data(copied):
    workspace = copied.workspace
    examples = pd.read_parquet(workspace.open(copied.dataset).path / "examples.parquet")
    said = {t for t in examples["prompt"] if len(t) > 12}
    plain = page(workspace.open(copied.study))
    assert not any(t in plain for t in said)
    assert any(t in page(workspace.open(copied.study), with_texts=True) for t in said)
    made = workspace.open(copied.dataset)
    facts = {k: v for k, v in made.manifest.items() if k != "self_sha256"}
    facts["config"] = {**facts["config"], "private": True}
    files.write_json(made.path / manifest.NAME, manifest.signed(facts))
    with pytest.raises(InputError, match="is private: its texts stand in no report"):
        page(workspace.open(copied.study), with_texts=True)
    table = pd.read_parquet(workspace.open(copied.clusters).path / "table.parquet")
    for kind in KINDS:
        for form in ("html", "md"):
            text = page(workspace.open(getattr(copied, kind)), form)
            told = [name for name in (SOURCE, *table["name"]) if "·" in name or "<" in name]
            assert told
            assert [n for n in told if n in text or n.replace("<", "&lt;") in text] == []


def test_the_command_writes_one_file_and_says_what_is_wrong(finished, tmp_path, capsys):
    out = tmp_path / "a.html"
    argv = ["--workspace", str(finished.root), "report", finished.study, "--out", str(out)]
    assert main(argv) == 0
    assert capsys.readouterr().out.splitlines()[-1] == str(out)
    assert out.read_text().startswith("<!doctype html>")
    assert out.stat().st_size < 300_000
    assert main(argv) == 2
    assert "--overwrite" in capsys.readouterr().err
    assert main([*argv, "--overwrite"]) == 0
    for wrong, said in (
        (["report", finished.study, "--out", str(tmp_path / "a.pdf")], "ends in .html"),
        (["report", "nobody", "--out", str(tmp_path / "b.html")], "no artifact"),
    ):
        assert main(["--workspace", str(finished.root), *wrong]) == 2
        assert said in capsys.readouterr().err
    settings = report.Settings(id=finished.study, out=str(tmp_path / "c.md"), format="md")
    assert report.run(finished.workspace, settings) == str(tmp_path / "c.md")


def test_dots_are_thinned_at_random_and_counted():
    rng = np.random.default_rng(1)
    xy, labels = rng.random((500, 2)), rng.integers(-1, 3, 500)
    xy[7] = np.nan
    there = np.flatnonzero(np.isfinite(xy[:, 0]) & (labels >= 0))
    assert dots.drawn(xy, labels).tolist() == there.tolist()
    some = dots.drawn(xy, labels, most=100)
    assert len(some) == 100
    assert set(some) <= set(there)
    at = dots.places(xy[there])
    assert at.min() >= dots.EDGE
    assert at[:, 0].max() <= dots.WIDTH - dots.EDGE
    assert at[:, 1].max() <= dots.HEIGHT - dots.EDGE
    assert ribbons.thinned(range(200))[0] == 0
    assert ribbons.thinned(range(200))[-1] == 199
    assert len(ribbons.thinned(range(200))) == ribbons.RECORDINGS
