"""No error and no reason of an import quotes a private file."""

import json

import pytest

from core.__main__ import main
from core.dataset.preview import preview
from core.dataset.privacy import HIDDEN, unquoted
from core.dataset.run import Settings, run
from core.errors import InputError

BAD = {
    "texts.jsonl": b'"ZEBRA one"\n"ZEBRA two"\n',
    "headless.csv": b"ZEBRA,a ZEBRA cough\nZEBRA b,ZEBRA c\n",
    "twice.csv": b"ZEBRA x,ZEBRA x\n1,2\n",
    "header.csv": b"ZEBRA x,it's ZEBRA y\n",
    "chats.jsonl": b'{"ZEBRA": [["a", "b"]], "ZEBRA2": [["a", "b"]]}\n' * 3,
    "one.jsonl": b'{"ZEBRA": "said"}\n',
    "keys.json": b'{"ZEBRA": {"a": 1}, "ZEBRA2": {"a": 2}}',
    "lists.json": b'{"ZEBRA": [{"a": 1}], "ZEBRA2": [{"a": 2}]}',
    "broken.json": b'[{"prompt": "ZEBRA" "ZEBRA"}]',
    "roles.jsonl": b'{"messages": [{"role": "ZEBRA", "content": "ZEBRA"}]}\n' * 3,
    "no.parquet": b"PAR1 ZEBRA",
}


@pytest.mark.parametrize("how", [["--private"], ["--format", "radiology"]])
@pytest.mark.parametrize("name", BAD)
def test_no_error_quotes_a_private_file(tmp_path, capfd, name, how):
    (tmp_path / name).write_bytes(BAD[name])
    command = ["--workspace", str(tmp_path / "ws"), "dataset", "--path", str(tmp_path / name)]
    with pytest.raises(SystemExit) as end:
        raise SystemExit(main([*command, *how]))
    said = capfd.readouterr()
    assert end.value.code == 2
    assert name in said.err or "--format radiology" in said.err or "column" in said.err
    assert "ZEBRA" not in said.out + said.err
    for left in (tmp_path / "ws").rglob("*.json*"):
        assert "ZEBRA" not in left.read_text()


def test_no_reason_quotes_a_private_file(bare, tmp_path):
    rows = [[{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]] * 3
    rows.append([{"role": "ZEBRA", "content": "ZEBRA"}])
    path = tmp_path / "a.jsonl"
    path.write_text("".join(json.dumps({"messages": row}) + "\n" for row in rows))
    made = bare.open(run(bare, Settings(path=str(path), private=True)), "dataset")
    assert made.summary["set_aside"] == {f"unknown role {HIDDEN}": 1}
    assert "ZEBRA" not in (made.path / "set_aside.jsonl").read_text() + json.dumps(made.manifest)


def test_a_preview_quotes_no_private_problem(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("ZEBRA a,ZEBRA b\n1,2\n")
    settings = Settings(path=str(path), private=True)
    assert "ZEBRA" not in preview(path, settings).problem
    assert "ZEBRA" in preview(path, Settings(path=str(path))).problem
    path.write_text("prompt,output\nq,a\nZEBRA\n")
    (records,) = preview(path, settings).skipped.values()
    assert [(record["line"], record["preview"]) for record in records] == [(3, HIDDEN)]
    path.write_text("ZEBRA,ZEBRA\na,b\n")
    with pytest.raises(InputError, match=r"names a column twice in .private."):
        preview(path, settings)


def test_what_the_person_wrote_stays(bare, tmp_path):
    path = tmp_path / "it's (1).csv"
    path.write_text("ZEBRA a,ZEBRA b\n1,2\n")
    with pytest.raises(InputError, match=r"--prompt-column 'nowhere': no such column .private."):
        run(bare, Settings(path=str(path), private=True, prompt_column="nowhere"))
    assert unquoted(f"{path} has no row", [str(path)]) == f"{path} has no row"
