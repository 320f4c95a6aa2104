"""Finds the checkout, and a Python that has its packages, for the executables beside this file."""

import importlib
import importlib.util
import os
import sys
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[3]


def start(module: str) -> None:
    """Runs `module.main()`; in the checkout's own environment when this Python lacks the packages."""
    own = CHECKOUT / ".venv" / "bin" / "python"
    if importlib.util.find_spec("grpc") is None and own.exists() and "SLIPWAY_PLUGIN_PYTHON" not in os.environ:
        os.environ["SLIPWAY_PLUGIN_PYTHON"] = str(own)  # at most one try, never a loop
        os.execv(own, [str(own), *sys.argv])
    sys.path[0] = str(CHECKOUT)
    importlib.import_module(module).main()
