"""The page's server: on 127.0.0.1 alone, for whoever has the key, loading nothing from elsewhere.

Every user of a machine can reach its 127.0.0.1, so the address alone protects nobody's data on a shared workstation. A
key is drawn at each start. It stands in the address that is printed, moves into a cookie at the first visit, and every
page, picture and websocket asks for it.
"""

import asyncio
import errno
import hmac
import logging
import re
import secrets
from collections.abc import Awaitable, Callable
from functools import partial
from html import escape
from typing import Any

from bokeh.application import Application
from bokeh.application.handlers.function import FunctionHandler
from bokeh.document import Document
from bokeh.server.auth_provider import AuthProvider
from bokeh.server.server import BaseServer
from bokeh.server.tornado import BokehTornado
from bokeh.server.views.auth_request_handler import AuthRequestHandler
from bokeh.server.views.ws import WSHandler
from tornado.httpserver import HTTPServer
from tornado.httputil import HTTPHeaders, HTTPServerRequest
from tornado.ioloop import IOLoop
from tornado.netutil import bind_sockets
from tornado.web import HTTPError, OutputTransform, RequestHandler, authenticated

from explorer.downloads import KINDS
from explorer.explored import Explored
from explorer.page import Page, refresh

ADDRESS = "127.0.0.1"
FORM = """<!DOCTYPE html><html lang="en"><title>The key is missing</title>
<body style="font-family: sans-serif; margin: 3em">
<h1>The key is missing</h1><p>{why} Open the address that explore.py printed, or paste its key here.</p>
<form action="/open"><input type="hidden" name="next" value="{next}"><input name="key" size="50" autocomplete="off"
autofocus> <button>Open</button></form></body></html>"""


def policy(port: int) -> dict[str, str]:
    """Headers of every answer: a browser asks nobody else, tells nobody, and keeps no picture on the disk."""
    here = " ".join(f"ws://{host}:{port}" for host in (ADDRESS, "localhost"))
    allowed = {
        "default-src": "'self'",
        "script-src": "'self' 'unsafe-inline' 'unsafe-eval'",  # BokehJS starts, and runs CustomJS, in this way
        "style-src": "'self' 'unsafe-inline'",
        "img-src": "'self' data: blob:",
        "connect-src": f"'self' {here}",
        "form-action": "'self'",
        "frame-ancestors": "'none'",
    }
    return {
        "Content-Security-Policy": "; ".join(f"{name} {value}" for name, value in allowed.items()),
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "no-store",
    }


class WithHeaders(OutputTransform):
    """Adds the headers of `policy`; what BokehJS is made of may be kept."""

    port = 0

    def __init__(self, request: HTTPServerRequest):
        self.path = request.path

    def transform_first_chunk(
        self, status_code: int, headers: HTTPHeaders, chunk: bytes, finishing: bool
    ) -> tuple[int, HTTPHeaders, bytes]:
        for name, value in policy(self.port).items():
            if not (name == "Cache-Control" and self.path.startswith("/static/")):
                headers[name] = value
        return status_code, headers, chunk


class Door(RequestHandler):
    """/open?key=...: the right key becomes a cookie; without it, what to do."""

    def get(self) -> None:
        key, to = self.get_query_argument("key", ""), self.get_query_argument("next", "/")
        to = to if re.fullmatch(r"/(\?[^#]*)?", to) else "/"  # the page itself, nowhere else
        application: Any = self.application
        keys: Keys = application.auth_provider
        if keys.fits(key):
            self.set_cookie(keys.cookie, key, httponly=True, samesite="Lax", path="/")
            self.redirect(to)
            return
        self.set_status(403)
        why = "This key is not that of the explorer that runs now." if key else "This page shows data of a run."
        self.write(FORM.format(why=why, next=escape(to)))


class Keys(AuthProvider):
    """Who has the key of this start may look. port: cookies are shared by all ports, so it is in the cookie's name."""

    def __init__(self, key: str, port: int):
        self.key, self.cookie = key, f"progan_style_explorer_{port}"
        super().__init__()

    def fits(self, key: str | None) -> bool:
        return hmac.compare_digest((key or "").encode(), self.key.encode())

    @property
    def get_user(self) -> None:
        return None

    @property
    def get_user_async(self) -> Callable[[Any], Awaitable[Any]]:
        return self.user_of

    async def user_of(self, handler: RequestHandler) -> str | None:
        """None leads to the door; a websocket without the key is refused."""
        if self.fits(handler.get_cookie(self.cookie)):
            return "user"
        if isinstance(handler, WSHandler):
            raise HTTPError(403)
        return None

    @property
    def login_url(self) -> str:
        return "/open"

    @property
    def get_login_url(self) -> None:
        return None

    @property
    def login_handler(self) -> type[RequestHandler]:
        return Door

    @property
    def logout_url(self) -> None:
        return None

    @property
    def logout_handler(self) -> None:
        return None


class Download(AuthRequestHandler):
    """/download/brain.KIND?STATE: the pictures of a state as a file."""

    def initialize(self, explored: Explored) -> None:
        self.explored = explored

    @authenticated
    async def get(self, kind: str) -> None:
        query = {name: [value.decode("utf-8", "replace") for value in values] for name, values in self.asked().items()}
        write, what = KINDS[kind]
        try:
            state, lines = refresh(self.explored, query)
            if lines:
                raise ValueError("; ".join(lines))
            content = await asyncio.wrap_future(self.explored.pictures.submit(lambda: write(self.explored.pair(state))))
        except (ValueError, OSError) as error:
            self.set_status(400)
            self.set_header("Content-Type", "text/plain; charset=utf-8")
            self.finish(f"{error}\n")
            return
        name = re.sub(r"[^A-Za-z0-9._-]+", "_", f"{self.explored.name}_{state.size}_{state.low}_{state.high}")
        self.set_header("Content-Type", what)
        self.set_header("Content-Disposition", f'attachment; filename="{name}_seed{state.seed}.{kind}"')
        self.finish(content)

    def asked(self) -> dict[str, list[bytes]]:
        return self.request.query_arguments


class Explorer:
    """A server that listens. url holds the key. Raises ValueError, in one line, if the port cannot be had."""

    def __init__(self, explored: Explored, port: int):
        try:
            sockets = bind_sockets(port, ADDRESS)
        except OSError as error:
            raise ValueError(f"--port: {ADDRESS}:{port}: {reason(error)}") from None
        self.port: int = sockets[0].getsockname()[1]
        key = secrets.token_urlsafe(24)
        self.url = f"http://{ADDRESS}:{self.port}/open?key={key}"
        headers = type("Headers", (WithHeaders,), {"port": self.port})
        kinds = "|".join(map(re.escape, KINDS))
        self.tornado = BokehTornado(
            {"/": Application(FunctionHandler(partial(make_page, explored)))},
            extra_websocket_origins=[f"{host}:{self.port}" for host in (ADDRESS, "localhost")],
            extra_patterns=[(rf"/download/brain\.({kinds})", Download, {"explored": explored})],
            auth_provider=Keys(key, self.port),
            include_headers=[],
            include_cookies=[],
            transforms=[headers],
        )
        http = HTTPServer(self.tornado)
        http.add_sockets(sockets)
        self.server = BaseServer(IOLoop.current(), self.tornado, http)

    def run(self) -> None:
        """Until the process is interrupted."""
        self.server.start()
        try:
            self.server.io_loop.start()
        finally:
            self.server.stop()


def reason(error: OSError) -> str:
    """Why a port cannot be had, and what to do."""
    if error.errno == errno.EADDRINUSE:
        return "in use, perhaps by another explore.py; end that, or name another port"
    if error.errno in (errno.EACCES, errno.EPERM):
        return "not allowed to listen there; name a port from 1024 on"
    return str(error.strerror)


def make_page(explored: Explored, document: Document) -> None:
    context: Any = document.session_context
    asked: dict[str, list[bytes]] = context.request.arguments
    query: dict[str, Any] = {name: [v.decode("utf-8", "replace") for v in values] for name, values in asked.items()}
    Page(explored, document, query)


def quiet() -> None:
    """A request that is refused is no news for the terminal."""
    logging.getLogger("tornado.access").setLevel(logging.ERROR)
