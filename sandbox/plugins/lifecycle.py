"""How a plugin process lives and ends: the handshake with the engine, signals, and an engine that dies."""

import os
import select
import signal
import sys
import threading
from collections.abc import Callable
from concurrent import futures
from typing import Any

import grpc  # type: ignore[import-untyped]

_SERVER_OPTIONS = [("grpc.max_receive_message_length", 400 << 20), ("grpc.max_send_message_length", 400 << 20)]


def engine_address() -> str:
    """The engine's gRPC address: its last argument that is no flag. Empty when started by hand."""
    return next((argument for argument in reversed(sys.argv[1:]) if not argument.startswith("-")), "")


def end_promptly() -> None:
    """Ends this process at once on SIGINT and SIGTERM, and when the engine dies.

    By the kernel: a background job inherits SIGINT as ignored, and the engine then waits 5 s before it kills; and a
    handler in Python runs only once the main thread gets to it, which one that comes right before a `pause` never does.
    A watch on the parent rather than PR_SET_PDEATHSIG, since that one fires when the *thread* that forked us
    ends, and the engine's threads come and go.
    """
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
    threading.Thread(target=_follow_parent, args=(os.getppid(),), daemon=True, name="engine-watch").start()


def _follow_parent(parent: int) -> None:
    try:
        watch = select.poll()
        watch.register(os.pidfd_open(parent), select.POLLIN)
        if os.getppid() == parent:
            watch.poll()
    except ProcessLookupError:
        pass  # gone before we could look
    os._exit(0)


def serve(register: Callable[[grpc.Server], None], workers: int = 256) -> grpc.Server:
    """Starts the gRPC server on a free local port and tells the engine which: that is the first line of stdout.

    `workers` bounds the operations at once: each waits in a thread of its own.
    """
    server = grpc.server(futures.ThreadPoolExecutor(workers), options=_SERVER_OPTIONS)
    register(server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    print(port, flush=True)
    return server


def serve_for_ever(register: Callable[[grpc.Server], None]) -> None:
    """Serves until a signal or the end of the engine."""
    end_promptly()
    server = serve(register)
    while True:
        signal.pause()
        del server  # unreachable: a signal ends the process


Rpc = Any  # a grpc.ServicerContext: grpcio ships no types
