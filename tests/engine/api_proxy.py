"""A way to the API server that can be cut: other tests keep theirs."""

import socket
import threading
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import yaml


class ApiProxy:
    """Hands bytes on between a port of loopback and the API server; TLS stays whole."""

    def __init__(self, kubeconfig: Path, written: Path) -> None:
        config = yaml.safe_load(kubeconfig.read_text())
        cluster = config["clusters"][0]["cluster"]
        address = urlsplit(cluster["server"])
        self._to = (str(address.hostname), address.port or 443)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open: set[socket.socket] = set()
        self._away = threading.Event()
        cluster["server"] = f"https://127.0.0.1:{self._listener.getsockname()[1]}"
        written.touch(mode=0o600)
        written.write_text(yaml.safe_dump(config))
        self.kubeconfig = str(written)
        self.refused = 0
        threading.Thread(target=self._serve, daemon=True).start()

    def cut(self) -> None:
        """From now on nobody answers, and what was open is reset."""
        self._away.set()
        for each in list(self._open):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def mend(self) -> None:
        """It is back."""
        self._away.clear()

    def close(self) -> None:
        """Ends it."""
        self.cut()
        self._listener.close()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                if self._away.is_set():
                    self.refused += 1
                    client.close()
                    continue
                server = socket.create_connection(self._to)
                for one, other in ((client, server), (server, client)):
                    self._open.add(one)
                    threading.Thread(target=self._pump, args=(one, other), daemon=True).start()

    def _pump(self, one: socket.socket, other: socket.socket) -> None:
        with suppress(OSError):
            while data := one.recv(65536):
                other.sendall(data)
        for each in (one, other):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        self._open.discard(one)
