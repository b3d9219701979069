"""Nothing outside is asked for, at the start or in use: tried where there is no route at all."""

import os
import pathlib
import shutil
import subprocess
import sys

import pytest

from tests.e2e.conftest import ROOT

WATCH = """
import os, sys
def told(event, args):
    if event == "socket.getaddrinfo":
        where = str(args[0])
    elif event in ("socket.connect", "socket.sendto") and isinstance(args[1], tuple):
        where = str(args[1][0])
    else:
        return
    if where not in ("127.0.0.1", "::1", "localhost", "None", "0.0.0.0", os.uname().nodename):
        with open(os.environ["ASKED"], "a") as f:
            f.write(f"{event} {where}\\n")
sys.addaudithook(told)
"""
"""Python runs it at the start of every process: it notes who is looked up or spoken to."""
IN_USE = """
import os, subprocess, sys, time, urllib.request
python, selection, clusters = sys.executable, *sys.argv[1:]
server = subprocess.Popen([python, "-m", "streamlit", "run", "streamlit_app.py", "--server.port=8599"])
try:
    for _ in range(600):
        try:
            assert urllib.request.urlopen("http://127.0.0.1:8599/").status == 200
            break
        except OSError:
            assert server.poll() is None
            time.sleep(0.1)
    from streamlit.testing.v1 import AppTest
    at = AppTest.from_file("dashboard/main.py", default_timeout=120).run()
    assert not at.exception, at.exception[0].value
    for page in ("selection", "finetune"):
        at.switch_page(f"../pages/{page}.py").run()
        assert not at.exception, at.exception[0].value
    tiny = ("--model", "scratch:tiny", "--steps", "2", "--max-length", "64", "--decode", "4")
    run = [python, "-m", "core", "finetune", "--selection", selection, *tiny, "--seed", "7"]
    subprocess.run(run, check=True)
finally:
    server.kill()
print("all worked")
"""


def test_everything_works_without_a_route_and_asks_nobody(copied, tmp_path: pathlib.Path):
    alone = ["unshare", "--map-root-user", "--net"]
    if not shutil.which("unshare") or subprocess.run([*alone, "true"], check=False).returncode:
        pytest.skip("no network namespaces here")
    (tmp_path / "sitecustomize.py").write_text(WATCH)
    asked = tmp_path / "asked"
    environment = {
        **{k: v for k, v in os.environ.items() if not k.startswith("HF_")},
        "S2L_WORKSPACE": str(copied.root),
        "PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}",
        "ASKED": str(asked),
    }
    up = "import fcntl,socket,struct; s=socket.socket(); fcntl.ioctl(s, 0x8914, struct.pack('16sh', b'lo', 0x49))"
    script = f'{sys.executable} -c "{up}" && exec {sys.executable} -c "$0" "$@"'
    said = subprocess.run(
        [*alone, "sh", "-c", script, IN_USE, copied.selection, copied.clusters],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert said.stdout.endswith("all worked\n"), said.stderr[-3000:]
    assert not asked.exists(), asked.read_text()
    outside = [*alone, sys.executable, "-c", "import socket; socket.getaddrinfo('example.org', 80)"]
    subprocess.run(outside, env=environment, capture_output=True, check=False)
    assert "example.org" in asked.read_text()  # the watch sees what there is to see
