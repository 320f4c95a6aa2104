"""`python -m sandbox.gitlab --listen HOST:PORT --data DIR [--cert FILE --key FILE]`."""

import argparse
import logging
import signal
import ssl
import sys
import threading
from pathlib import Path

from sandbox.gitlab.server import StandIn
from sandbox.gitlab.store import StoreError


def main() -> int:
    """Serves until SIGTERM or SIGINT; 1 with one line when it can't start."""
    parser = argparse.ArgumentParser(prog="python -m sandbox.gitlab", description="A stand-in for GitLab's REST API.")
    parser.add_argument("--listen", required=True, metavar="HOST:PORT")
    parser.add_argument(
        "--data", required=True, type=Path, metavar="DIR", help="state and admin-token, kept over restarts"
    )
    parser.add_argument("--cert", type=Path, help="TLS certificate (PEM); without it plain HTTP")
    parser.add_argument("--key", type=Path, help="its private key (PEM)")
    parser.add_argument("--verbose", action="store_true", help="log every request, not only unknown endpoints")
    options = parser.parse_args()
    host, _, port = options.listen.rpartition(":")
    if not host or not port.isdecimal():
        parser.error(f"--listen {options.listen}: write HOST:PORT, such as 127.0.0.1:8080")
    if bool(options.cert) != bool(options.key):
        parser.error("--cert and --key belong together")
    logging.basicConfig(
        format="%(asctime)s %(levelname)s %(message)s", level=logging.INFO if options.verbose else logging.WARNING
    )
    try:
        tls = None
        if options.cert:
            tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            tls.load_cert_chain(options.cert, options.key)
        stand_in = StandIn(options.data, host, int(port), tls=tls)
    except (OSError, StoreError) as error:
        print(f"GitLab stand-in on {options.listen}: {error}", file=sys.stderr)
        return 1
    for number in (signal.SIGTERM, signal.SIGINT):
        # shutdown() waits for serve_forever, which runs in this thread: hence a thread of its own.
        signal.signal(number, lambda *_: threading.Thread(target=stand_in.stop).start())
    print(f"GitLab stand-in ready: {stand_in.url}/api/v4/", flush=True)
    stand_in.serve_forever()
    return 0


if __name__ == "__main__":
    sys.exit(main())
