"""Short questions to daemons: each answers True or False and raises nothing."""

import socket
import ssl
import time
import urllib.error
import urllib.request
from http.client import HTTPConnection, HTTPException
from pathlib import Path

from sandbox.paths import Paths

TIMEOUT = 1.5


def http(url: str) -> bool:
    """200 over plain HTTP."""
    return _status(urllib.request.Request(url)) == 200  # noqa: S310


def https(paths: Paths, url: str, answers: tuple[int, ...] = (200,)) -> bool:
    """One of `answers`, from a server whose certificate the sandbox's CA has signed."""
    try:
        context = ssl.create_default_context(cafile=str(paths.pki / "ca.crt"))
    except OSError:
        return False
    return _status(urllib.request.Request(url), context) in answers  # noqa: S310


def unix_socket(path: Path) -> bool:
    """Someone accepts connections."""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(TIMEOUT)
        try:
            client.connect(str(path))
        except OSError:
            return False
    return True


def unix_http(path: Path, url: str) -> bool:
    """200 over HTTP on a Unix socket."""
    connection = HTTPConnection("localhost", timeout=TIMEOUT)
    connection.sock = socket.socket(socket.AF_UNIX)
    try:
        connection.sock.settimeout(TIMEOUT)
        connection.sock.connect(str(path))
        connection.request("GET", url)
        return connection.getresponse().status == 200
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()


def written_within(file: Path, seconds: float) -> bool:
    """The file was written in the last `seconds`."""
    try:
        return time.time() - file.stat().st_mtime < seconds
    except OSError:
        return False


def tcp(address: str, port: int) -> bool:
    """The port accepts connections."""
    try:
        socket.create_connection((address, port), TIMEOUT).close()
    except OSError:
        return False
    return True


def _status(request: urllib.request.Request, context: ssl.SSLContext | None = None) -> int:
    # Without a proxy: the addresses exist in this namespace only.
    handlers: list[urllib.request.BaseHandler] = [urllib.request.ProxyHandler({})]
    if context is not None:
        handlers.append(urllib.request.HTTPSHandler(context=context))
    try:
        with urllib.request.build_opener(*handlers).open(request, timeout=TIMEOUT) as response:
            return int(response.status)
    except urllib.error.HTTPError as error:
        error.close()
        return error.code
    except (OSError, HTTPException):
        return 0
