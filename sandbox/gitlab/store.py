"""What the stand-in knows, kept in one directory so that a restart finds it again."""

import json
import os
import tempfile
import threading
from pathlib import Path
from typing import Any

from cryptography.fernet import Fernet, InvalidToken

Record = dict[str, Any]


class StoreError(Exception):
    """The data directory can't be used; the text says which file and what to do."""


def write_private(path: Path, content: bytes) -> None:
    """Replaces a file atomically; only its owner may read it (mkstemp makes it 0600)."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


class Store:
    """The state as plain JSON objects. Hold `lock` while reading or changing it, `save()` after a change.

    The file is encrypted with a key beside it, as GitLab encrypts variables at rest with its secrets file
    (docs.gitlab.com/ci/variables, "CI/CD variable security"): a search of the sandbox's files for a planted
    secret then finds what Slipway leaked, not what GitLab is meant to keep.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.lock = threading.RLock()
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        key = directory / "secrets-key"
        if not key.exists():
            write_private(key, Fernet.generate_key())
        self._cipher = Fernet(key.read_bytes())
        self._file = directory / "state"
        self.state: Record = self._load()

    def _load(self) -> Record:
        if not self._file.exists():
            return {}
        try:
            state: Record = json.loads(self._cipher.decrypt(self._file.read_bytes()))
        except (InvalidToken, ValueError) as error:
            raise StoreError(
                f"{self._file} does not fit its secrets-key: delete {self.directory} to start anew"
            ) from error
        return state

    def save(self) -> None:
        """Writes the whole state: some tens of kilobytes, well under a millisecond."""
        write_private(self._file, self._cipher.encrypt(json.dumps(self.state).encode()))

    def next_id(self, kind: str) -> int:
        """Ids are never used twice, also across restarts, as with a database sequence."""
        sequences: dict[str, int] = self.state.setdefault("sequences", {})
        sequences[kind] = sequences.get(kind, 0) + 1
        return sequences[kind]
