"""What the tests of the pipeline need beside a sandbox: gitlab-ci-local, which runs .gitlab-ci.yml on this machine.

    python -m sandbox.runner

puts it, buildah and a server of S3 into the cache, before the tests enter a sandbox, from which nothing can be fetched.
"""

import hashlib
import shutil
import subprocess
from pathlib import Path
from tempfile import mkdtemp

from sandbox.errors import SandboxError
from sandbox.paths import cache_dir

_HERE = Path(__file__).parent
_FILES = ("package.json", "package-lock.json", ".npmrc")


def command() -> Path:
    """Where gitlab-ci-local is, once `install` has run."""
    return _directory() / "node_modules" / ".bin" / "gitlab-ci-local"


def install() -> Path:
    """Installs it into the cache, each package checked against the hash in package-lock.json; returns the command."""
    if command().exists():
        return command()
    if shutil.which("npm") is None:
        raise SandboxError(
            "`npm` is not on PATH: install Node.js 20 (it runs gitlab-ci-local, the tests' pipeline runner)"
        )
    target = _directory()
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(mkdtemp(dir=target.parent, prefix=f"{target.name}-"))
    for name in _FILES:
        shutil.copy(_HERE / name, draft)
    arguments = ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
    done = subprocess.run(["npm", *arguments], cwd=draft, capture_output=True, text=True, check=False)
    if done.returncode:
        shutil.rmtree(draft)
        raise SandboxError(f"npm ci of the pipeline runner failed: {' '.join(done.stderr.split())[-300:]}")
    try:
        draft.rename(target)
    except OSError:  # another run was first
        shutil.rmtree(draft)
    return command()


def _directory() -> Path:
    return cache_dir() / f"runner-{hashlib.sha256((_HERE / 'package-lock.json').read_bytes()).hexdigest()[:12]}"
