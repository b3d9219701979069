"""Sign-in against a local OpenID provider: nobody sees, a viewer looks, an editor works."""

import json
import pathlib
import subprocess
import sys
import urllib.request

from playwright.sync_api import expect

from core import jobs
from tests.e2e.conftest import ROOT, Server, button, free_port, settled, until


def provider(folder: pathlib.Path) -> tuple[subprocess.Popen, str]:
    port = free_port()
    command = [sys.executable, str(ROOT / "tests" / "oidc.py"), str(port), str(folder / "claims")]
    process = subprocess.Popen(command)
    address = f"http://127.0.0.1:{port}/.well-known/openid-configuration"
    until(lambda: urllib.request.urlopen(address, timeout=2).read(), process)
    return process, address


def test_nobody_sees_a_viewer_looks_an_editor_works(browser, tab, copied, tmp_path):
    w = copied.workspace
    process, address = provider(tmp_path)
    port = free_port()
    (tmp_path / "secrets.toml").write_text(
        f'[auth]\nredirect_uri = "http://127.0.0.1:{port}/oauth2callback"\n'
        'cookie_secret = "a secret of this test, long enough"\nclient_id = "studio"\n'
        f'client_secret = "none"\nserver_metadata_url = "{address}"\n'
        '[roles]\neditors = ["ed@lab.test"]\nviewers = ["*@lab.test"]\n'
    )
    flags = ("--secrets.files", str(tmp_path / "secrets.toml"))
    server = Server(copied.root, tmp_path / "log", port=port, flags=flags)

    def signs_in(**claims):
        (tmp_path / "claims").write_text(json.dumps({"email_verified": True, **claims}))
        page = tab(server.url(f"/selection?clusters={copied.clusters}"))
        expect(page.get_by_text("Sign in to see this workspace.")).to_be_visible()
        assert page.get_by_text("6 clusters").count() == 0
        button(page, "Sign in").click()
        page.wait_for_url(server.url())
        return page

    try:
        page = signs_in(sub="1", email="eve@evil.test")
        expect(page.get_by_text("evil.test is neither a viewer nor")).to_be_visible()
        expect(button(page, "Sign out")).to_be_visible()
        assert page.get_by_role("navigation").count() == 0

        before = {p for p in w.root.rglob("*") if "cache" not in p.parts}
        page = signs_in(sub="4", email="vera@lab.test")
        page.goto(server.url(f"/selection?clusters={copied.clusters}"))
        expect(page.get_by_text("vera@lab.test (viewer: looks, changes nothing)")).to_be_visible()
        button(settled(page), "Save this selection").click()
        expect(page.get_by_text("only an editor may start work")).to_be_visible()
        assert {p for p in w.root.rglob("*") if "cache" not in p.parts} == before
        page.goto(server.url(f"/selection?selection={copied.selection}"))
        expect(button(settled(page), "Download as JSONL")).to_be_disabled()

        page = signs_in(sub="5", email="ed@lab.test")
        page.goto(server.url(f"/selection?clusters={copied.clusters}"))
        expect(page.get_by_text("ed@lab.test (editor)")).to_be_visible()
        button(settled(page), "Save this selection").click()
        expect(page.get_by_text("Saved as")).to_be_visible()
        made = w.open(w.entries("selection")[0].id)
        assert made.manifest["user"] == "ed@lab.test"
        assert jobs.active(w) == []
    finally:
        server.kill()
        process.kill()
