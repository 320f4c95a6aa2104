"""The socket side: HTTP/1.1 with keep-alive, a thread a connection, TLS where a certificate is given."""

import logging
import ssl
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from sandbox.gitlab.app import App, Request
from sandbox.gitlab.seed import prepare
from sandbox.gitlab.store import Store

logger = logging.getLogger("sandbox.gitlab")


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1  # head and body leave in one piece
    timeout = 120  # seconds that an idle connection is kept
    server: "_Server"

    def _serve(self) -> None:
        if "Transfer-Encoding" in self.headers:
            self.send_error(411, "send the body with a Content-Length")
            return
        length = int(self.headers.get("Content-Length") or 0)
        scheme = "https" if self.server.tls else "http"
        request = Request(
            self.command,
            self.path,
            {name.lower(): value for name, value in self.headers.items()},
            self.rfile.read(length),
            f"{scheme}://{self.headers.get('Host', 'localhost')}",
        )
        status, body, headers = self.server.app.handle(request)
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if status != 204:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = _serve

    def version_string(self) -> str:
        return "slipway-gitlab-stand-in"

    def log_message(self, format: str, *args: Any) -> None:  # noqa: ANN401 - the base class names it so
        """Errors of the protocol layer; requests are logged below."""
        logger.warning(format, *args)

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Method and path only: a query may hold a token."""
        path = self.path.split("?")[0]
        level = logging.WARNING if int(code) in (404, 500) else logging.INFO
        logger.log(level, "%s %s %s", self.command, path, int(code))


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], app: App, tls: ssl.SSLContext | None) -> None:
        self.app = app
        self.tls = tls
        super().__init__(address, _Handler)
        if tls:
            # The handshake belongs in the connection's thread: a client that stalls must not stop the others.
            self.socket = tls.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ANN401 - as in the base class
        error = sys.exception()
        if isinstance(error, OSError):  # closed or not TLS: the client's affair
            logger.info("connection from %s: %s", client_address[0], error)
        else:
            logger.error("request from %s failed", client_address[0], exc_info=error)


class StandIn:
    """A running stand-in; a context manager for tests, `serve_forever` for the command.

    `port` 0 takes a free one. `url` is the address without `/api/v4`, `admin_token` the administrator's secret.
    """

    def __init__(
        self, directory: Path, host: str = "127.0.0.1", port: int = 0, *, tls: ssl.SSLContext | None = None
    ) -> None:
        store = Store(directory)
        self.admin_token = prepare(store)
        self.app = App(store)
        self._server = _Server((host, port), self.app, tls)
        self.url = f"{'https' if tls else 'http'}://{host}:{self._server.server_address[1]}"

    def serve_forever(self, poll: float = 0.5) -> None:
        """Serves until `stop` is called from another thread, which is noticed after `poll` seconds at most."""
        try:
            self._server.serve_forever(poll)
        finally:
            self._server.server_close()

    def stop(self) -> None:
        """Ends `serve_forever`."""
        self._server.shutdown()

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        self._thread.join()
