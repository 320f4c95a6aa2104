"""Finds the checkout, and a Python that has its packages, for the executables beside this file."""

import importlib
import importlib.util
import os
import sys
from pathlib import Path
from types import ModuleType

CHECKOUT = Path(__file__).resolve().parents[3]


def start(module: str) -> None:
    """Runs `module.main()`; in the checkout's own environment when this Python lacks the packages."""
    own = CHECKOUT / ".venv" / "bin" / "python"
    if importlib.util.find_spec("grpc") is None and own.exists() and "SLIPWAY_PLUGIN_PYTHON" not in os.environ:
        os.environ["SLIPWAY_PLUGIN_PYTHON"] = str(own)  # at most one try, never a loop
        os.execv(own, [str(own), *sys.argv])  # noqa: S606  # the same program in another Python
    sys.path[0] = str(CHECKOUT)
    importlib.import_module(module).main()


def start_light(module: str) -> None:
    """The same with the SDK's generated messages only: the whole SDK costs 0.25 s a start (`whole_sdk` brings it)."""
    found = importlib.util.find_spec("pulumi")
    if found is not None and found.origin is not None:
        home = Path(found.origin).parent
        for name, folder in (("pulumi", home), ("pulumi.runtime", home / "runtime")):
            empty = ModuleType(name)
            empty.__path__ = [str(folder)]
            sys.modules[name] = empty
    start(module)
