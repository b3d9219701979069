"""What starts, changes, exports or deletes asks who is at work; nothing that writes is forgotten."""

import ast
import importlib
import json
import pathlib

import pytest

from core import edits, export, jobs, publish, selection
from core.workspace import roles, shared_views
from core.workspace.files import ROOT
from core.workspace.roles import NotAllowed, Person
from core.workspace.store import Workspace

WRITES = {
    *("write_json", "write_jsonl", "append_jsonl", "write_text", "write_bytes", "unlink"),
    *("rmtree", "rename", "mkdir", "Popen", "touch", "copytree", "copyfile", "rmdir"),
    *("save_pretrained", "write_table", "write_array", "to_parquet"),
}
IN_A_DRAFT = [
    "core.clusters.artifact",
    "core.dataset.sides",
    "core.dataset.store",
    "core.dataset.tables",
    "core.finetune.artifact",
    "core.finetune.more_tests",
    "core.finetune.finish",
    "core.finetune.seen",
    "core.gains.artifact",
    "core.layout.artifact",
    "core.selection.run",
    "core.study.artifact",
    "core.training",
    "core.trajectories",
    "core.transfer.artifact",
    "core.model.shrinking",
    "core.workspace.draft",
]
"""They write into a draft, which is begun by `Workspace.draft` or taken up by a job's command."""
IN_A_JOB = [
    "core.demo.run",
    "core.jobs.launchers",
    "core.jobs.process_group",
    "core.jobs.slurm",
    "core.jobs.slurm_run",
    "core.jobs.progress",
    "core.jobs.supervisor",
    "core.finetune.fit_child",
    "core.finetune.fit_disk",
    "core.evaluations.second_opinion",
    "core.jobs.files",
]
"""Processes that a guarded function starts, or what these alone call."""
IN_AN_EXPORT = ("core.export", "core.publish.run")
"""They write below what `core.export.target.publish` opens."""
HARMLESS = {
    "core.workspace.files": "how everything else writes",
    "core.arrays": "how arrays are written",
    "core.workspace.shared_views": "a link to a view, under the hash of its content",
    "core.model.tokens": "the cache",
    "core.selection.target_queries": "the cache",
    "core.evaluations.load": "the cache",
    "core.jobs.warm_process": "a process that draws a map, which nothing keeps",
    "core.review.k_sweep": "`rename` is that of a table",
}
GUARDED_ABOVE = {
    ("core.jobs.queue", "_spawn"): "submit",
    ("core.jobs.queue", "_detach"): "submit and stop",
    ("core.finetune.fit", "_done"): "a run that `_start` began",
    ("core.review.whole_workspace", "_delete"): "clean",
    ("core.workspace.store", "finished"): "takes away what a killed run left of its lock",
}


def writers():
    """Yield module, function and whether it is guarded, of each function that writes."""
    for path in sorted((ROOT / "core").rglob("*.py")):
        module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for function in ast.walk(ast.parse(path.read_text())):
            if isinstance(function, ast.FunctionDef):
                calls = [n for n in ast.walk(function) if isinstance(n, ast.Call)]
                names = {ast.unparse(c.func).rpartition(".")[2] for c in calls}
                opened = [c for c in calls if ast.unparse(c.func).rpartition(".")[2] == "open"]
                modes = {a.value for c in opened for a in c.args if isinstance(a, ast.Constant)}
                if names & WRITES or any(set(str(m)) & set("wax+") and len(m) < 4 for m in modes):
                    marks = {ast.unparse(d).partition("(")[0] for d in function.decorator_list}
                    yield module, function.name, "editors" in marks


def test_whatever_writes_is_guarded_or_runs_below_what_is():
    apart = (*IN_A_DRAFT, *IN_A_JOB, *IN_AN_EXPORT, *HARMLESS)
    bare = [
        f"{module}.{name}"
        for module, name, guarded in writers()
        if not guarded and (module, name) not in GUARDED_ABOVE
        if not any(module == a or module.startswith(f"{a}.") for a in apart)
    ]
    assert bare == []


def test_the_lists_of_what_is_not_guarded_name_what_there_is():
    found = {module for module, _, _ in writers()}
    for name in (*IN_A_DRAFT, *IN_A_JOB, *IN_AN_EXPORT, *HARMLESS):
        assert any(m == name or m.startswith(f"{name}.") for m in found), name
    assert set(GUARDED_ABOVE) <= {(m, n) for m, n, _ in writers()}


@pytest.fixture
def viewer(monkeypatch):
    monkeypatch.setattr(roles, "_ask", [lambda: Person("vera@lab.test", "viewer")])


def state_of(root: pathlib.Path) -> dict[str, float]:
    return {str(p): p.stat().st_mtime for p in root.rglob("*")}


def test_a_viewer_starts_changes_exports_and_deletes_nothing(finished, viewer, tmp_path):
    w, f = finished.workspace, finished
    client = importlib.import_module("core.chat.client").Talker(w)
    fit = importlib.import_module("core.finetune.fit")
    votes = importlib.import_module("core.chat.votes").Tally
    out = str(tmp_path / "out")
    before = state_of(w.root)
    for refused in (
        lambda: jobs.submit(w, ["list"], title="t"),
        lambda: jobs.stop(w, "x"),
        lambda: jobs.forget(w, "x"),
        lambda: jobs.discard(w, "x"),
        lambda: jobs.move(w, "x", 1),
        lambda: edits.exclude(w, f.dataset, [0], user="eve"),
        lambda: edits.undo(w, f.dataset),
        lambda: w.delete(f.study),
        lambda: w.draft("dataset", name="n", config={}, parents={}),
        lambda: selection.run(w, selection.Settings(parent=f.clusters, budget="10%")),
        lambda: export.run(w, export.Settings(selection=f.selection, out=f"{out}.jsonl")),
        lambda: publish.run(w, publish.Settings(finetune=f.finetune, to=out)),
        client._start,
        lambda: fit.FitRun._start(None, {}),
        lambda: votes.add(None, "p", ("a", "b"), "first", swapped=False, seed=0),
    ):
        with pytest.raises(NotAllowed, match=r"vera@lab\.test may look .* only an editor may"):
            refused()
    assert state_of(w.root) == before
    assert list(tmp_path.iterdir()) == []
    assert shared_views.load(w, shared_views.save(w, {"sel": 1})) == {"sel": 1}


def test_jobs_edits_and_manifests_carry_who_asked(copied, monkeypatch):
    w = copied.workspace
    unnamed = selection.Settings(parent=copied.clusters, budget="10%", seed=3)
    alone = w.open(selection.run(w, unnamed))
    assert "user" not in alone.manifest
    monkeypatch.setattr(roles, "_ask", [lambda: Person("ed@lab.test", "editor")])
    argv = ["selection", "--clusters", copied.clusters, "--budget", "9%"]
    job = jobs.wait(w, jobs.submit(w, argv, title="t"), 90)
    assert job.user == "ed@lab.test"
    made = w.open(job.result)
    assert made.manifest["user"] == "ed@lab.test"
    assert made.verify() == []
    w.delete(alone.id)  # a name makes no other artifact: neither id nor fingerprint has it
    again = w.open(selection.run(w, unnamed))
    assert again.manifest["fingerprint"] == alone.manifest["fingerprint"]
    assert again.summary["ids_sha256"] == alone.summary["ids_sha256"]
    edits.pin(w, copied.dataset, [1])
    log = w.root / "edits" / f"{copied.dataset}.jsonl"
    assert json.loads(log.read_text().splitlines()[-1])["user"] == "ed@lab.test"


def test_a_terminal_is_an_editors(monkeypatch):
    monkeypatch.setattr(roles, "_ask", [roles.of_environment])
    assert roles.person() == ("", "editor")
    monkeypatch.setenv(roles.USER, "ana")
    assert roles.person() == ("ana", "editor")


def test_a_workspace_of_nobody_in_particular_is_as_before(bare: Workspace, monkeypatch):
    monkeypatch.setattr(roles, "_ask", [roles.of_environment])
    draft = bare.draft("dataset", name="n", config={}, parents={})
    keys = "kind id name created config parents fingerprint"
    assert " ".join(draft.run) == keys
    draft.discard()
