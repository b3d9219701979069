"""What a study is on the disk: a line for each fine-tune, and what its manifest says.

While it runs, its draft has the lines so far, so that a half-finished study can be read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, NotRequired, TypedDict

if TYPE_CHECKING:
    import pandas as pd

from core.finetune.artifact import FinetuneSummary
from core.workspace.artifact import PARTIAL, Artifact, Entry
from core.workspace.draft import Draft
from core.workspace.files import append_jsonl, read_json, read_jsonl, write_json
from core.workspace.store import Workspace

TABLE, BASE_TABLE = "table.parquet", "base.parquet"
LINES, BASE_SO_FAR, PLAN = "lines.jsonl", "base.json", "plan.json"
"""Of a draft only."""
WORK = (LINES, BASE_SO_FAR, PLAN)
BASE_FOLDER = "base"
"""What the untuned base answered, as a fine-tune keeps it."""


class StudySummary(TypedDict):
    """What the manifest of a study says."""

    arms: list[str]
    exploratory: NotRequired[list[str]]
    """Arms from saved selections; a study older than these has no such list."""
    seeds: list[int]
    steps: int
    """Optimizer steps of every arm; 0 where the epochs are equal."""
    budget: str
    test: str
    base: dict[str, Any]
    """Scores of the untuned base."""
    means: dict[str, dict[str, float]]
    """Arm -> metric -> mean over the seeds that gave a number."""
    overlap: NotRequired[dict[str, int]]
    """Test rows that rows of the pool give away: `core.dataset.overlap`."""
    epochs: NotRequired[float]
    """Passes of every arm over its rows; 0 where the steps are equal."""
    budgets: NotRequired[list[str]]
    """Data sizes beside the budget at which the arms were trained, too."""
    failed: NotRequired[list[str]]
    """Runs that gave no number: "arm seed n: why"."""
    varied: NotRequired[str]
    """What differs between the seeds, in words."""
    tests: NotRequired[dict[str, dict[str, Any]]]
    """Key of a test beside the first -> its title, dataset and the untuned base's scores."""
    noise: NotRequired[dict[str, float]]
    """Metric -> how far apart two evaluations of one model are, in its own unit."""
    noise_of_tests: NotRequired[dict[str, dict[str, float]]]
    """Key of a test beside the first -> the same of it; not known of earlier studies."""


def base_of(study: Artifact, test: str) -> dict[str, Any]:
    """Return the untuned base's scores on the first test (""), or on one beside it, by its key."""
    s = study.summary_as(StudySummary)
    return s.get("tests", {})[test] if test else s["base"]


class Partial(NamedTuple):
    """A study that is not finished."""

    entry: Entry
    lines: pd.DataFrame
    base: dict[str, Any]
    planned: int
    """Fine-tunes that it will have."""


def write(draft: Draft, lines: pd.DataFrame, base: pd.DataFrame) -> None:
    """Write the tables: a line a fine-tune (arm, seed, finetune, seconds, counts, scores)."""
    lines.to_parquet(draft.path / TABLE)
    base.to_parquet(draft.path / BASE_TABLE)


def begin(draft: Draft, planned: int) -> None:
    """Note in a draft how many fine-tunes it will have."""
    write_json(draft.path / PLAN, {"runs": planned})


def add(draft: Draft, line: dict[str, Any]) -> None:
    """Add the line of a fine-tune that has ended to a draft."""
    append_jsonl(draft.path / LINES, line)


def add_base(draft: Draft, scores: dict[str, Any]) -> None:
    """Add the scores of the untuned base to a draft."""
    write_json(draft.path / BASE_SO_FAR, scores)


def partial(workspace: Workspace, clusters: str) -> Partial | None:
    """Return the newest unfinished study of a clustering that has begun to train; None for none."""
    for entry in workspace.recent("study"):
        if entry.state == "unfinished" and entry.config.get("clusters") == clusters:
            folder = workspace.root / "study" / f"{entry.id}{PARTIAL}"
            plan = read_json(folder / PLAN)
            if plan:
                lines = as_table(list(read_jsonl(folder / LINES)))
                base = read_json(folder / BASE_SO_FAR) or {}
                return Partial(entry, lines, base, int(plan["runs"]))
    return None


def as_table(lines: list[dict[str, Any]]) -> pd.DataFrame:
    """Make the table of a study's lines; counts that a failed run does not have are 0."""
    import pandas as pd

    table = pd.DataFrame(lines)
    for column in table:
        given = [line[column] for line in lines if column in line]
        if len(given) < len(lines) and all(isinstance(value, int) for value in given):
            table[column] = table[column].fillna(0).astype("int64")
    return table


FACTS = (
    *("arm", "seed", "budget", "draw_seed", "train_seed", "clusters", "finetune", "failed"),
    *("rows", "steps", "epochs", "response_tokens", "seconds", "train_seconds"),
)
"""Columns of a line that are the run's, not a test's."""


def table(study: Artifact, test: str = "") -> pd.DataFrame:
    """Read a line for each fine-tune at the study's own budget.

    Args:
        test: Key of a test beside the first, whose scores the lines then have.
    """
    lines = all_lines(study, test)
    own: pd.DataFrame = lines[lines["budget"] == study.config["budget"]].reset_index(drop=True)
    return own


def all_lines(study: Artifact, test: str = "") -> pd.DataFrame:
    """Read a line for each fine-tune, those at other data sizes included; `test` as in `table`."""
    import pandas as pd

    lines = pd.read_parquet(study.path / TABLE)
    if "budget" not in lines:  # before a study could have several
        lines = lines.assign(budget=study.config["budget"])
    if "failed" not in lines:
        lines = lines.assign(failed="")
    return _of_test(study, lines, test) if test else lines


def _of_test(study: Artifact, lines: pd.DataFrame, test: str) -> pd.DataFrame:
    """Give each line the scores of another test, as its fine-tune keeps them."""
    out = []
    for line in lines.to_dict("records"):
        scores: dict[str, Any] = {}
        if line["finetune"]:
            made = study.open(line["finetune"]).summary_as(FinetuneSummary)
            scores = made.get("tests", {}).get(test, {})
        numbers = {k: v for k, v in scores.items() if isinstance(v, int | float)}
        out.append({k: line[k] for k in FACTS if k in line} | numbers)
    return as_table(out)
