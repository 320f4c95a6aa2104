"""`python -m sandbox.load --url … --rate … --duration …`: the generator by hand; `--help` lists its options."""

import os
import sys

from sandbox.gobuild import GoBuildError
from sandbox.load import binary

try:
    path = str(binary())
except GoBuildError as error:
    sys.exit(f"error: {error}")
os.execv(path, [path, *sys.argv[1:]])  # noqa: S606 - in place of this process, so that signals reach it
