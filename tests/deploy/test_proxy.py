"""The proxy files do what they say: nginx from Debian in front of a real server."""

import base64
import pathlib
import re
import shutil
import socket
import ssl
import subprocess

import pytest

from tests.e2e.conftest import ROOT, Server, free_port, until

NGINX = shutil.which("nginx") or shutil.which("/usr/sbin/nginx")
NAME = "studio.example.org"


def ask(port: int, path: str, *headers: str, tls: bool = True) -> tuple[int, str]:
    """Send a request as it stands; return the status and the head of the answer."""
    with socket.create_connection(("127.0.0.1", port), timeout=60) as plain:
        context = ssl._create_unverified_context()
        s = context.wrap_socket(plain, server_hostname=NAME) if tls else plain
        s.sendall("\r\n".join((f"GET {path} HTTP/1.1", *headers, "", "")).encode())
        head = b""
        while b"\r\n\r\n" not in head and (got := s.recv(4096)):
            head += got
    text = head.partition(b"\r\n\r\n")[0].decode("latin-1").lower()
    return int(text.split()[1]), text


def websocket(origin: str) -> tuple[str, ...]:
    handshake = ("Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13")
    more = ("Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==", "Sec-WebSocket-Protocol: streamlit")
    return (*handshake, *more, *((f"Origin: {origin}",) if origin else ()))


@pytest.fixture
def proxied(tmp_path: pathlib.Path):
    """Start a server and nginx with `deploy/nginx.conf`; return both ports."""
    outside = free_port()
    flags = ("--server.trustedUserHeaders", '{"X-Forwarded-User": "name"}')
    environment = {"S2L_ORIGIN": f"https://{NAME}:{outside}", "S2L_PROXY_KEY": "a key of this test"}
    server = Server(tmp_path / "w", tmp_path / "log", flags=flags, **environment)
    key, pem = tmp_path / "key", tmp_path / "pem"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    names = ["-nodes", "-subj", f"/CN={NAME}", "-keyout", str(key), "-out", str(pem)]
    subprocess.run([*command, *names], check=True, capture_output=True)
    digest = subprocess.run(
        ["openssl", "passwd", "-apr1", "right"], check=True, capture_output=True, text=True
    )
    (tmp_path / "users").write_text(f"ana:{digest.stdout.strip()}\n")
    site = (ROOT / "deploy" / "nginx.conf").read_text()
    for old, new in (
        ("listen 443 ssl;", f"listen 127.0.0.1:{outside} ssl;"),
        ("/etc/ssl/certs/studio.pem", str(pem)),
        ("/etc/ssl/private/studio.key", str(key)),
        ("/etc/nginx/studio.htpasswd", str(tmp_path / "users")),
        ("a-long-random-word;", '"a key of this test";'),
        ("127.0.0.1:8501", f"127.0.0.1:{server.port}"),
    ):
        assert site.count(old) >= 1, old
        site = site.replace(old, new)
    (tmp_path / "nginx.conf").write_text(
        f"daemon off; pid {tmp_path}/pid; error_log stderr; worker_processes 1;\n"
        + ("user root;\n" if pathlib.Path("/root").owner() == "root" else "")
        + "events {}\nhttp { access_log off; "
        + " ".join(
            f"{kind}_temp_path {tmp_path}/{kind};"
            for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        + f"\n{site}\n}}\n"
    )
    with (tmp_path / "nginx.log").open("wb") as log:
        nginx = subprocess.Popen(
            [str(NGINX), "-p", str(tmp_path), "-c", str(tmp_path / "nginx.conf")], stderr=log
        )
    try:
        until(lambda: socket.create_connection(("127.0.0.1", outside), 2).close(), nginx)
        yield outside, server.port
    finally:
        nginx.terminate()
        nginx.wait()
        server.kill()


@pytest.mark.skipif(not NGINX, reason="no nginx: apt-get install nginx")
def test_nginx_asks_for_a_password_and_the_server_takes_its_word_alone(proxied):
    port, inside = proxied
    address = f"https://{NAME}:{port}"
    host = f"Host: {NAME}:{port}"
    signed = "Authorization: Basic " + base64.b64encode(b"ana:right").decode()
    wrong = "Authorization: Basic " + base64.b64encode(b"ana:wrong").decode()
    assert ask(port, "/", host)[0] == 401
    assert ask(port, "/", host, wrong)[0] == 401
    status, head = ask(port, "/", host, signed)
    assert status == 200
    for header in ("x-frame-options: deny", "frame-ancestors 'none'", "strict-transport-security"):
        assert header in head
    assert "access-control-allow" not in head
    stream = "/_stcore/stream"
    assert ask(port, stream, host, *websocket(address))[0] == 401
    assert ask(port, stream, host, signed, *websocket(address))[0] == 101
    for origin in (
        *(f"http://{NAME}:{port}", f"https://{NAME}", f"http://127.0.0.1:{inside}"),
        *("https://evil.test", "null", ""),
    ):
        assert ask(port, stream, host, signed, *websocket(origin))[0] == 403, origin
    forged = "X-Forwarded-User: ana"  # by somebody of this machine, past the proxy
    for key in ("X-S2L-Key: guessed", "X-S2L-Key:", "X-No: key"):
        beside = (host, forged, key, *websocket(address))
        assert ask(inside, stream, *beside, tls=False)[0] == 403, key
    right = (f"Host: 127.0.0.1:{inside}", "X-S2L-Key: a key of this test")
    for origin in (f"http://127.0.0.1:{inside}", "http://127.0.0.1:9999", address):
        assert ask(inside, stream, *right, *websocket(origin), tls=False)[0] == 403, origin


def test_the_two_proxy_files_say_the_same():
    texts = {name: (ROOT / "deploy" / name).read_text() for name in ("nginx.conf", "Caddyfile")}
    for name, text in texts.items():
        assert "S2L_ORIGIN=https://studio.example.org S2L_PROXY_KEY=a-long-random-word" in text, (
            name
        )
        assert "X-S2L-Key a-long-random-word" in text, name
        assert '\'{"X-Forwarded-User": "name"}\'' in text, name
        assert re.search(r"2000MB|2000m", text), name
        assert "Strict-Transport-Security" in text, name
        assert "127.0.0.1:8501" in text, name
