"""The server over plain HTTP: who is let in, what is sent along, what a download holds."""

import asyncio
import http.client
import io
import json
import socket
import threading
from urllib.parse import urlsplit

import numpy as np
import pytest

from explorer.server import Explorer, policy
from explorer.state import link


@pytest.fixture
def server(explored):
    """A server in a thread of its own."""
    ready, found = threading.Event(), {}

    def work():
        asyncio.set_event_loop(asyncio.new_event_loop())
        found["server"] = Explorer(explored, 0)
        found["server"].server.io_loop.add_callback(ready.set)
        found["server"].run()

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    assert ready.wait(60)
    yield found["server"]
    loop = found["server"].server.io_loop
    loop.add_callback(loop.stop)
    thread.join(60)


@pytest.fixture
def ask(server):
    """ask(path, **headers) -> status, headers, body."""

    def get(path, headers=None, host="127.0.0.1"):
        connection = http.client.HTTPConnection(host, server.port, timeout=60)
        connection.request("GET", path, headers=headers or {})
        answer = connection.getresponse()
        body = answer.read() if answer.status != 101 else b""
        connection.close()
        return answer.status, answer.headers, body

    return get


@pytest.fixture
def cookie(server, ask):
    status, headers, _ = ask(server.url.split(str(server.port))[1])
    assert status == 302 and headers["Location"] == "/"
    given = headers["Set-Cookie"]
    assert "HttpOnly" in given and "SameSite=Lax" in given
    return {"Cookie": given.split(";")[0]}


WS = {
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
}


def test_without_the_key_there_is_no_page_no_picture_and_no_websocket(server, ask):
    for path in ("/", "/?seed=1", "/download/brain.png", "/metadata", "/autoload.js?bokeh-autoload-element=a"):
        status, headers, body = ask(path)
        assert status == 302 and headers["Location"].startswith("/open?next="), path
        assert b"seed" not in body
    assert ask("/ws", WS)[0] == 403
    for key in ("", "?key=", "?key=wrong", "?key=%C3%A9"):
        status, headers, body = ask(f"/open{key}")
        assert status == 403 and b"The key is missing" in body and "Set-Cookie" not in headers
    stranger = {"Cookie": f"progan_style_explorer_{server.port}=wrong"}
    assert ask("/", stranger)[0] == 302 and ask("/ws", WS | stranger)[0] == 403


def test_the_key_leads_to_the_page_and_nowhere_else(server, ask, cookie):
    status, headers, body = ask("/", cookie)
    assert status == 200 and b"bokeh" in body and headers["Cache-Control"] == "no-store"
    assert server.url.split("key=")[1].encode() not in body
    key = server.url.split("key=")[1]
    for to, lands in (("/?seed=3", "/?seed=3"), ("//evil.example/", "/"), ("http://evil.example", "/"), ("/ws", "/")):
        assert ask(f"/open?key={key}&next={to.replace('?', '%3F')}")[1]["Location"] == lands
    asked = ask("/open?next=/%3F%22%3E%3Cscript%3E")[2]
    assert b"<script>" not in asked


def test_a_websocket_is_for_this_page_alone(server, ask, cookie):
    for origin, status in ((f"http://127.0.0.1:{server.port}", 101), ("http://evil.example", 403)):
        assert ask("/ws", WS | cookie | {"Origin": origin, "Sec-WebSocket-Protocol": "bokeh, none"})[0] == status
    assert ask("/ws", WS | cookie | {"Origin": f"http://127.0.0.1:{server.port + 1}"})[0] == 403


def test_every_answer_forbids_the_browser_to_ask_elsewhere(server, ask, cookie):
    for path in ("/", "/open", "/static/js/bokeh.min.js"):
        headers = ask(path, cookie)[1]
        assert headers["Content-Security-Policy"] == policy(server.port)["Content-Security-Policy"]
        assert (
            "default-src 'self'" in headers["Content-Security-Policy"] and headers["Referrer-Policy"] == "no-referrer"
        )
    assert "no-store" not in (headers["Cache-Control"] or "")  # BokehJS may be kept


def test_a_page_asks_for_nothing_from_elsewhere(ask, cookie):
    body = ask("/", cookie)[2].decode()
    places = [part.split('"')[0] for part in body.split('src="')[1:]]
    assert places and all(urlsplit(place).netloc == "" for place in places) and "cdn.bokeh.org" not in body


def test_a_download_holds_the_state_that_was_asked_for(explored, state, ask, cookie):
    status, headers, body = ask(f"/download/brain.npz?{link(state, 'tiny')}", cookie)
    assert status == 200 and headers["Content-Disposition"] == 'attachment; filename="tiny_16_CN_AD_seed0.npz"'
    with np.load(io.BytesIO(body)) as found:
        assert np.array_equal(found["second"], explored.view(state).pictures[1])
        assert json.loads(str(found["state"]))["size"] == 16
    status, headers, body = ask("/download/brain.png", cookie)
    assert status == 200 and body.startswith(b"\x89PNG") and headers["Content-Type"] == "image/png"


def test_a_download_that_cannot_be_had_says_why(ask, cookie):
    status, headers, body = ask("/download/brain.png?size=64", cookie)
    assert status == 400 and body == b"size=64: expected one of 8, 16\n" and "text/plain" in headers["Content-Type"]
    status, _, body = ask("/download/brain.nii.gz", cookie)
    assert status == 400 and body.startswith(b"NIfTI: nobody knows how many mm a pixel has")
    assert ask("/download/brain.exe", cookie)[0] == 404 and ask("/download/../config.yaml", cookie)[0] == 404


def test_a_port_in_use_is_one_line(explored):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(ValueError, match=f"--port: 127.0.0.1:{port}: in use, perhaps by another explore.py"):
            Explorer(explored, port)


def test_it_listens_on_loopback_alone(server):
    with pytest.raises(OSError), socket.create_connection((_other_address(), server.port), timeout=5):
        pass


def _other_address():
    """Another address of loopback's network: who listens on every address answers there."""
    return "127.0.0.2"
