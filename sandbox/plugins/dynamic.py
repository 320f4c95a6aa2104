"""The host of dynamic providers: the SDK's own, with an end of its own on signals and when the engine dies."""

import io
import os
import runpy
import sys

from sandbox.plugins.lifecycle import end_promptly


def main() -> None:
    """Becomes `python -u -m pulumi.dynamic` in the program's directory, whose modules a provider may import."""
    end_promptly()
    sys.path[0] = os.getcwd()
    # As `-u` has it, its `buffer` unbuffered, too: the SDK writes the port there, and the engine waits for it.
    sys.stdout = io.TextIOWrapper(io.FileIO(1, "w", closefd=False), write_through=True)
    runpy.run_module("pulumi.dynamic", run_name="__main__", alter_sys=True)
