"""Tests stand where what they test stands: a file for a file, by the same name.

What is tested elsewhere is listed, and the list can only become shorter.
"""

import ast
import pathlib

import pytest

from tests.test_architecture import FILES, IMPORTS, ROOT, imports_of

TESTS = ROOT / "tests"
ACROSS = {
    "core/dataset/test_cases.py",
    "core/dataset/test_stored_result.py",
    "core/export/test_contract.py",
    "core/export/test_round_trip.py",
    "core/finetune/test_bad_input.py",
    "core/finetune/test_complaints.py",
    "core/finetune/test_going_on.py",
    "core/model/test_odd_rows.py",
    "core/selection/strategies/test_contract.py",
    "core/selection/test_edits.py",
    "core/selection/test_refusals.py",
    "core/test_kills.py",
    "core/test_old_workspace.py",
    "core/test_open_once.py",
    "core/test_signals.py",
    "core/test_stale.py",
    "core/test_summaries.py",
    "core/workspace/test_damage.py",
    "dashboard/charts/test_alt.py",
}
"""Stories of several files, each told at its top."""
ELSEWHERE = {
    "core/chat/test_client.py": "core.chat.busy core.chat.run",
    "core/clusters/test_run.py": "core.clusters.artifact",
    "core/dataset/readers/test_csv_files.py": (
        "core.dataset.readers.csv_dialect core.dataset.readers.encodings core.dataset.readers.rows"
    ),
    "core/dataset/readers/test_json_files.py": "core.dataset.readers.json_shapes",
    "core/dataset/readers/test_whole.py": (
        "core.dataset.readers.arrow_files core.dataset.readers.excel_files "
        "core.dataset.readers.file_types core.dataset.readers.hub "
        "core.dataset.readers.saved_files"
    ),
    "core/dataset/test_detection.py": (
        "core.dataset.chat_cells core.dataset.looks core.dataset.settings core.dataset.suggestion"
    ),
    "core/dataset/test_duplicates.py": "core.dataset.shingles",
    "core/dataset/test_groups.py": (
        "core.dataset.compared core.dataset.near_join core.dataset.tables"
    ),
    "core/dataset/test_holdout.py": "core.dataset.unlike_holdout",
    "core/dataset/test_row_formats.py": ("core.dataset.cells core.dataset.tool_calls"),
    "core/dataset/test_run.py": (
        "core.dataset.artifact core.dataset.report core.dataset.sides core.dataset.store "
        "core.dataset.understood"
    ),
    "core/export/test_trainers.py": "core.export.trainer_files",
    "core/export/test_writers.py": "core.export.own_columns",
    "core/finetune/test_answers.py": "core.finetune.maths core.finetune.written_maths",
    "core/finetune/test_complaints.py": "core.finetune.outcome core.finetune.trained",
    "core/finetune/test_evaluate.py": (
        "core.evaluations.choice core.finetune.generate core.finetune.kept_answers"
    ),
    "core/finetune/test_fit.py": (
        "core.finetune.dry_run core.finetune.fit_child core.finetune.fit_disk "
        "core.finetune.fit_trial core.training.fit_disk"
    ),
    "core/finetune/test_forecast.py": "core.finetune.others",
    "core/finetune/test_more_tests.py": "core.finetune.seen",
    "core/finetune/test_retest.py": "core.finetune.rejudge",
    "core/finetune/test_run.py": (
        "core.finetune.artifact core.finetune.disk core.finetune.finish "
        "core.finetune.held_out core.finetune.looks core.finetune.prepare "
        "core.finetune.saved core.training.unfinished"
    ),
    "core/gains/test_run.py": "core.gains.artifact",
    "core/jobs/test_queue.py": "core.jobs.commands",
    "core/layout/test_projection.py": "core.trajectories.embeddings",
    "core/layout/test_run.py": "core.layout.artifact",
    "core/model/test_loading.py": "core.model.scratch",
    "core/model/test_odd_rows.py": "core.model.pool_texts",
    "core/model/test_scoring.py": "core.model.output_layer",
    "core/model/test_spans.py": "core.model.chat_template core.model.marks core.model.rendering",
    "core/model/test_tokens.py": "core.model.encoding core.model.token_roles",
    "core/publish/test_run.py": "core.publish.merge core.publish.model_card core.publish.use",
    "core/report/test_run.py": (
        "core.report.html core.report.pictures.arms core.report.pictures.bars "
        "core.report.pictures.dots core.report.pictures.ribbons "
        "core.report.sections.clusters core.report.sections.limits "
        "core.report.sections.provenance core.report.sections.question "
        "core.report.sections.results core.report.sections.texts"
    ),
    "core/review/test_doctor.py": "core.review.text_checks",
    "core/selection/strategies/test_contract.py": "core.selection.pool",
    "core/selection/test_edits.py": "core.selection.load_pool",
    "core/selection/test_run.py": (
        "core.selection.artifact core.selection.kept_rows core.selection.matched_size "
        "core.selection.settings"
    ),
    "core/study/test_comparison.py": "core.study.pairs",
    "core/study/test_findings.py": "core.study.costs core.study.noise",
    "core/study/test_run.py": (
        "core.study.artifact core.study.base core.study.checks core.study.draws "
        "core.study.leakage core.study.settings"
    ),
    "core/test_main.py": "core.commands core.edits.run core.errors",
    "core/training/test_checkpoints.py": "core.training.trainer",
    "core/training/test_loop.py": "core.training.keeper core.training.watch",
    "core/trajectories/test_extend.py": "core.clusters.extend core.trajectories.scored_columns",
    "core/trajectories/test_run.py": ("core.trajectories.seal core.trajectories.settings"),
    "core/trajectories/test_train.py": (
        "core.trajectories.draw_map core.trajectories.epoch_recorder"
    ),
    "core/transfer/test_run.py": "core.transfer.artifact",
    "core/workspace/test_damage.py": "core.workspace.manifest core.workspace.shape",
    "core/workspace/test_store.py": "core.workspace.artifact core.workspace.draft",
}
"""Test file -> modules that it tests and that have no test file of their own yet."""
BY_COMMAND = {"core.chat.worker", "core.demo.run", "core.layout.worker"}
"""Started as processes of their own, by tests of what starts them."""
TESTED_ELSEWHERE = {m: file for file, modules in ELSEWHERE.items() for m in modules.split()}
PAGES = {
    "charts": "test_every_tab.py",
    "chat": "test_finetune.py",
    "clusters": "test_clusters.py",
    "dataset": "test_dataset.py",
    "finetune": "test_finetune.py",
    "frame": "test_every_tab.py",
    "selection": "test_selection.py",
    "story": "test_story.py",
    "study": "test_study.py",
    "trajectories": "test_trajectories.py",
}
"""Folder of the dashboard -> the test of the page on which its panes are used as a person does."""


def own_test(module: str) -> pathlib.Path:
    """Return where the tests of a module stand: `__main__` is written without underscores."""
    *folders, name = module.split(".")
    return TESTS.joinpath(*folders, f"test_{name.strip('_')}.py")


def does_something(module: str) -> bool:
    """Say whether a file has a function: settings and summaries that only declare have none."""
    tree = ast.parse(FILES[module].read_text(encoding="utf-8"))
    return any(isinstance(node, ast.FunctionDef) for node in ast.walk(tree))


MODULES = {m for m, path in FILES.items() if path.name != "__init__.py"}


def test_each_test_stands_beside_what_it_tests():
    files = {f for folder in ("core", "dashboard") for f in (TESTS / folder).rglob("test_*.py")}
    lost = {f.relative_to(TESTS).as_posix() for f in files - set(map(own_test, MODULES))}
    assert lost == ACROSS


def test_each_module_has_a_test_of_its_name_or_is_listed():
    core = {m for m in MODULES if m.startswith("core.") and does_something(m)}
    alone = {m for m in core if not own_test(m).exists()}
    assert alone == set(TESTED_ELSEWHERE) | BY_COMMAND, (
        "a new file needs a test; one that has it is listed no more"
    )


@pytest.mark.parametrize("file", sorted(ELSEWHERE))
def test_what_is_listed_is_reached_by_its_test(file):
    """The test imports the module, or something that imports it."""
    tree = ast.parse((TESTS / file).read_text(encoding="utf-8"))
    reached = {one.module for one in imports_of("", tree)}
    imports: dict[str, set[str]] = {}
    for one in IMPORTS:
        imports.setdefault(one.file, set()).add(one.module)
    todo = list(reached)
    while todo:
        fresh = imports.get(todo.pop(), set()) & set(FILES) - reached
        reached |= fresh
        todo += fresh
    assert set(ELSEWHERE[file].split()) <= reached


def test_each_pane_is_used_on_a_page_or_has_a_test_of_its_own():
    folders = {m.split(".")[1] for m in MODULES if m.startswith("dashboard.") and m.count(".") > 1}
    assert folders == set(PAGES)
    assert all((TESTS / "pages" / file).exists() for file in PAGES.values())
