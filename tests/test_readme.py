"""The README's own commands, run as they stand."""

import os
import pathlib
import re
import subprocess
import sys

from core.workspace.store import Workspace

ROOT = pathlib.Path(__file__).parents[1]
MARK = "# test: command line"


def test_the_command_line_of_the_readme(tmp_path):
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    blocks = re.findall(rf"^```bash\n({MARK}\n.*?)^```", text, re.DOTALL | re.MULTILINE)
    assert len(blocks) == 1, f"README.md has one ```bash block that begins with {MARK!r}"
    (script,) = blocks
    workspace = tmp_path / "workspace"
    path = f"{pathlib.Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-e", "-u", "-o", "pipefail", "-c", script],
        cwd=tmp_path,  # with the repository importable: the commands' files stay out of it
        env={**os.environ, "PATH": path, "PYTHONPATH": str(ROOT), "S2L_WORKSPACE": str(workspace)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    entries = Workspace(workspace).entries()
    assert {"dataset", "trajectories", "clusters", "selection"} <= {e.kind for e in entries}
    assert {e.state for e in entries} == {"sealed"}
