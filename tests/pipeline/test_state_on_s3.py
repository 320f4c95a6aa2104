"""The state on an object store with S3's semantics (versitygw, a real server of it): kept, locked, healed."""

import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import httpx2
import pytest
from lightkube import Client

from demo.workspace import Workspace
from sandbox import tools
from tests.engine.conftest import Images, images, namespace, pull, registry, sandbox  # noqa: F401  fixtures
from tests.engine.conftest import admin as admin  # noqa: PLC0414
from tests.engine.harness import SILENT, app, stack


class Store:
    """A server of S3 with a bucket for each environment."""

    def __init__(self, directory: Path) -> None:
        self.directory, self.key, self.secret = directory, f"key{secrets.token_hex(4)}", secrets.token_hex(20)
        for bucket in ("staging", "production"):
            (directory / "data" / bucket).mkdir(parents=True)
        with closing(socket.socket()) as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        environ = os.environ | {"ROOT_ACCESS_KEY": self.key, "ROOT_SECRET_KEY": self.secret}
        command = [tools.locate(tests=True)["versitygw"], "--port", f"127.0.0.1:{self.port}", "--quiet"]
        (directory / "meta").mkdir()
        self.process = subprocess.Popen(
            [*command, "posix", "--sidecar", directory / "meta", directory / "data"],
            env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        deadline = time.monotonic() + 20
        while True:
            with suppress(httpx2.HTTPError):
                httpx2.get(f"http://127.0.0.1:{self.port}/")
                return
            assert self.process.poll() is None, self.process.stderr and self.process.stderr.read()
            assert time.monotonic() < deadline
            time.sleep(0.1)

    def url(self, bucket: str) -> str:
        """The backend's address, as a job has it in PULUMI_BACKEND_URL."""
        return f"s3://{bucket}?endpoint=http://127.0.0.1:{self.port}&region=us-east-1&use_path_style=true&disable_https=true"

    def objects(self, bucket: str) -> list[str]:
        """Keys in a bucket."""
        root = self.directory / "data" / bucket
        return sorted(str(file.relative_to(root)) for file in root.rglob("*") if file.is_file())


@pytest.fixture
def store(ready: None, tmp_path: Path) -> Iterator[Store]:
    """A server of the test's own."""
    made = Store(tmp_path)
    yield made
    made.process.terminate()
    made.process.wait(10)


class Job:
    """A job's directory, and `slipway up` in it."""

    def __init__(self, directory: Path, store: Store, space: str) -> None:
        self.directory, self.store = directory / "job", store
        self.slipway = Workspace(self.directory, "--name=slipway").directory / ".venv" / "bin" / "slipway"
        config: dict[str, Any] = {"config": stack(space, myapp=app(replicas=1))}
        (self.directory / "Pulumi.staging.yaml").write_text(json.dumps(config))
        self.environ = {k: v for k, v in os.environ.items() if not k.startswith(SILENT)} | {
            "PULUMI_BACKEND_URL": store.url("staging"), "AWS_ACCESS_KEY_ID": store.key,
            "AWS_SECRET_ACCESS_KEY": store.secret, "PULUMI_CONFIG_PASSPHRASE": "a passphrase for tests",
        }  # fmt: skip
        self.environ.pop("PULUMI_CONFIG_PASSPHRASE_FILE", None)

    def start(self, image: str) -> "subprocess.Popen[str]":
        """The job's command, at work."""
        command = [self.slipway, "up", "--stack", "staging", "--serialised"]
        return subprocess.Popen(
            command, cwd=self.directory, env=self.environ | {"SLIPWAY_IMAGE": image}, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip

    def up(self, image: str) -> str:
        """The job's command to its good end; what it said."""
        process = self.start(image)
        said, _ = process.communicate(timeout=180)
        assert process.returncode == 0, said
        return said


def test_a_deployment_a_kill_and_the_next_job_on_an_object_store(
    store: Store,
    tmp_path: Path,
    namespace: str,  # noqa: F811
    images: Images,  # noqa: F811
    admin: Client,
) -> None:
    job = Job(tmp_path, store, namespace)
    job.up(images.v1)
    assert any(key.endswith("stacks/slipway/staging.json") for key in store.objects("staging"))
    assert not [key for key in store.objects("staging") if "/locks/" in f"/{key}"]

    process = job.start(images.v2)
    assert process.stdout is not None
    for line in process.stdout:
        if "myapp-stable updating" in line:
            break
    process.send_signal(signal.SIGKILL)
    process.wait(10)
    [lock] = [key for key in store.objects("staging") if "/locks/" in f"/{key}"]
    held = json.loads((store.directory / "data" / "staging" / lock).read_text())

    time.sleep(1)
    said = job.up(images.v2)
    assert f"{held['username']}@{held['hostname']} (pid {held['pid']})" in said
    assert "left by a job that was killed" in said
    assert not [key for key in store.objects("staging") if "/locks/" in f"/{key}"]
    assert store.objects("production") == []
    shutil.rmtree(job.directory)
