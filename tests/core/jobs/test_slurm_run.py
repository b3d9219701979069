"""A job of Slurm as it runs: what its ends are called."""

import pytest

from core.errors import InputError
from core.jobs import slurm_run
from core.workspace.store import Workspace


@pytest.mark.parametrize(
    ("state", "words", "failure"),
    [
        ("TIMEOUT", "it came to Slurm's time limit", "lost-process"),
        ("OUT_OF_MEMORY", "more memory than it had asked for", "host-memory"),
        ("NODE_FAIL", "its node went down", "lost-process"),
        ("", "a task ended without a word", "lost-process"),
    ],
)
def test_each_end_has_its_words(tmp_path, state, words, failure):
    (told,) = slurm_run.Follower(tmp_path, "1", 2).ended(state)
    assert words in told["message"]
    assert told["failure"] == failure


def test_without_slurm_or_refused_by_it_a_sentence_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InputError, match="there is no sbatch on this machine's PATH"):
        slurm_run.slurm(Workspace(tmp_path / "w"), ["finetune"], 1)
    file = tmp_path / "sbatch"
    file.write_text(
        "#!/bin/sh\necho 'sbatch: error: invalid partition specified: gpu' >&2; exit 1\n"
    )
    file.chmod(0o755)
    with pytest.raises(InputError, match=r"invalid partition specified: gpu\).*SBATCH_PARTITION"):
        slurm_run.slurm(Workspace(tmp_path / "w"), ["finetune"], 1)
