"""The sample app and its images: built and pushed without a Docker engine, to a registry of this test's own."""

import base64
import json
import os
import shutil
import socket
import ssl
import subprocess
import tarfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from sandbox.gobuild import go_binary
from sandbox.images import APP_SOURCE, PAUSE_NAME, PAUSE_SOURCE, ImageError, build, main, pause_archive, push

PASSWORD = "planted-registry-password"


def blob(layout: Path, digest: str) -> bytes:
    return (layout / "blobs" / "sha256" / digest.removeprefix("sha256:")).read_bytes()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def await_listener(port: int) -> None:
    for _ in range(250):
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except ConnectionRefusedError:
            time.sleep(0.02)
    raise TimeoutError(f"nothing listens on port {port}")


@contextmanager
def app(**environment: str) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    port = free_port()
    process = subprocess.Popen(
        [go_binary(APP_SOURCE, "app")], env=environment | {"PORT": str(port)}, stderr=subprocess.DEVNULL
    )
    try:
        await_listener(port)
        yield f"http://127.0.0.1:{port}", process
    finally:
        process.kill()
        process.wait()


def get(url: str, data: bytes | None = None, **headers: str) -> tuple[int, str]:
    request = urllib.request.Request(url, data, {"Accept": "*/*"} | headers)
    try:
        with urllib.request.urlopen(request, timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def test_the_app_says_its_version_in_text_page_and_json() -> None:
    with app(VERSION="v7", COLOUR="teal", TRACK="green", POD_NAME="pod-1") as (url, _):
        assert get(url) == (200, "v7 teal\n")
        assert json.loads(get(f"{url}/version")[1]) == {
            "version": "v7",
            "colour": "teal",
            "track": "green",
            "pod": "pod-1",
        }
        status, page = get(url, Accept="text/html")
        assert status == 200
        assert "background: teal" in page
        for word in ("v7", "pod-1", "green"):
            assert f">{word}<" in page
        assert get(f"{url}/nothing")[0] == 404


def test_a_failing_share_is_spread_evenly_and_seen_in_the_metrics() -> None:
    with app(VERSION="v7", FAIL_SHARE="0.1") as (url, _):
        statuses = [get(url)[0] for _ in range(20)]
        get(f"{url}/healthz")
        metrics = get(f"{url}/metrics")[1].splitlines()
    assert statuses == [*[200] * 9, 500] * 2
    assert 'http_requests_total{code="200",method="GET",version="v7"} 18' in metrics
    assert 'http_requests_total{code="500",method="GET",version="v7"} 2' in metrics
    assert 'http_request_duration_seconds_bucket{version="v7",le="+Inf"} 20' in metrics


@pytest.mark.parametrize(("allowed", "before", "after"), [("true", 200, 500), ("false", 404, 200)])
def test_the_share_can_be_switched_at_run_time_only_where_allowed(allowed: str, before: int, after: int) -> None:
    with app(FAIL_SWITCH=allowed) as (url, _):
        assert get(f"{url}/fail?share=1", b"")[0] == before
        assert get(url)[0] == after


def test_a_slow_start_is_not_ready_until_its_time() -> None:
    with app(START_DELAY="500ms") as (url, _):
        assert get(f"{url}/healthz")[0] == 503
        time.sleep(0.6)
        assert get(f"{url}/healthz") == (200, "ok\n")


@pytest.mark.parametrize("environment", [{"CRASH": "true"}, {"FAIL_SHARE": "1.1"}, {"START_DELAY": "soon"}])
def test_a_crash_and_a_wrong_setting_end_the_app_at_once(environment: dict[str, str]) -> None:
    ended = subprocess.run([go_binary(APP_SOURCE, "app")], env=environment, capture_output=True, timeout=5, check=False)
    assert ended.returncode == 1
    assert next(iter(environment)).encode() in ended.stderr


def test_a_request_that_has_begun_is_answered_after_sigterm() -> None:
    with app(VERSION="v7", LATENCY="500ms") as (url, process):
        with socket.create_connection(("127.0.0.1", int(url.rpartition(":")[2])), 5) as connection:
            connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            time.sleep(0.2)
            process.terminate()
            time.sleep(0.1)
            with pytest.raises(urllib.error.URLError, match="refused"):
                get(url)
            assert b"v7 grey" in connection.recv(4096)
        assert process.wait(timeout=5) == 0


def test_the_same_arguments_give_the_same_image_and_versions_share_its_layer() -> None:
    one, again, other = build("v1", "blue"), build("v1", "blue"), build("v2", "blue")
    assert one == again
    assert one.digest != other.digest
    layers = [json.loads(blob(image.layout, image.digest))["layers"] for image in (one, other)]
    assert layers[0] == layers[1]


def test_the_image_is_the_same_from_an_empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    known = build("v1", "blue")
    objects = subprocess.run(["go", "env", "GOCACHE"], capture_output=True, text=True, check=True).stdout.strip()
    monkeypatch.setenv("GOCACHE", objects)  # else Go follows XDG_CACHE_HOME, and compiles its library anew
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    fresh = build("v1", "blue")
    assert fresh.layout != known.layout
    assert fresh.digest == known.digest


def test_the_image_runs_as_nobody_and_tells_its_build_arguments() -> None:
    image = build("v1", "blue", fail_share=0.2, crash=True, start_delay=1.5, fail_switch=True, latency=0.3)
    manifest = json.loads(blob(image.layout, image.digest))
    runtime = json.loads(blob(image.layout, manifest["config"]["digest"]))["config"]
    assert runtime["User"] == "65532"
    assert runtime["Entrypoint"] == ["/app"]
    assert runtime["Labels"]["org.opencontainers.image.version"] == "v1"
    assert runtime["Env"] == [
        "COLOUR=blue",
        "CRASH=true",
        "FAIL_SHARE=0.2",
        "FAIL_SWITCH=true",
        "LATENCY=0.3s",
        "START_DELAY=1.5s",
        "VERSION=v1",
    ]
    assert build("v1", "blue").digest != image.digest


def test_the_dockerfile_takes_the_same_arguments() -> None:
    dockerfile = (APP_SOURCE / "Dockerfile").read_text()
    image = build("v1", "blue", fail_share=0.2, crash=True, start_delay=1, fail_switch=True, latency=0.3)
    manifest = json.loads(blob(image.layout, image.digest))
    runtime = json.loads(blob(image.layout, manifest["config"]["digest"]))["config"]
    for name in (entry.partition("=")[0] for entry in runtime["Env"]):
        assert f"ARG {name}=" in dockerfile
        assert f"{name}=${name}" in dockerfile
    for label in runtime["Labels"]:
        assert label in dockerfile
    assert "USER 65532" in dockerfile


@pytest.mark.parametrize(
    "arguments", [{"fail_share": 1.1}, {"fail_share": -0.1}, {"start_delay": -1.0}, {"latency": -1.0}]
)
def test_an_impossible_image_is_refused(arguments: dict[str, float]) -> None:
    with pytest.raises(ImageError, match="must"):
        build("v1", "blue", **arguments)  # type: ignore[arg-type]


def test_the_pause_archive_names_itself_and_stops_on_sigterm(tmp_path: Path) -> None:
    with tarfile.open(pause_archive(tmp_path / "pause.tar")) as archive:
        index = archive.extractfile("index.json")
        assert index is not None
        manifest = json.load(index)["manifests"][0]
        assert f"blobs/sha256/{manifest['digest'].removeprefix('sha256:')}" in archive.getnames()
    assert manifest["annotations"]["io.containerd.image.name"] == PAUSE_NAME
    process = subprocess.Popen([go_binary(PAUSE_SOURCE, "pause")])
    time.sleep(0.2)
    assert process.poll() is None
    process.terminate()
    assert process.wait(timeout=5) == 0


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """A registry with TLS and a password; yields its address and a directory of docker/, ca.pem."""
    home = tmp_path_factory.mktemp("registry")
    port = free_port()
    key, certificate = home / "key.pem", home / "ca.pem"
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=registry"
    command += f" -addext subjectAltName=IP:127.0.0.1 -keyout {key} -out {certificate}"
    subprocess.run(command.split(), check=True, capture_output=True)
    users = subprocess.run(["htpasswd", "-Bin", "tester"], input=PASSWORD, text=True, capture_output=True, check=True)
    (home / "htpasswd").write_text(users.stdout)
    (home / "registry.yml").write_text(
        json.dumps(
            {
                "version": "0.1",
                "storage": {"filesystem": {"rootdirectory": str(home / "data")}},
                "http": {
                    "addr": f"127.0.0.1:{port}",
                    "tls": {"certificate": str(certificate), "key": str(key)},
                },
                "auth": {"htpasswd": {"realm": "test", "path": str(home / "htpasswd")}},
            }
        )
    )
    (home / "docker").mkdir()
    auth = base64.b64encode(f"tester:{PASSWORD}".encode()).decode()
    (home / "docker" / "config.json").write_text(json.dumps({"auths": {f"127.0.0.1:{port}": {"auth": auth}}}))
    server = subprocess.Popen(
        ["docker-registry", "serve", home / "registry.yml"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        await_listener(port)
        yield f"127.0.0.1:{port}", home
    finally:
        server.terminate()
        server.wait(10)


@pytest.fixture
def repository(registry: tuple[str, Path], monkeypatch: pytest.MonkeyPatch) -> str:
    address, home = registry
    monkeypatch.setenv("DOCKER_CONFIG", str(home / "docker"))
    monkeypatch.setenv("SSL_CERT_FILE", str(home / "ca.pem"))
    return f"{address}/demo/app"


def test_a_pushed_image_is_served_under_the_digest_that_push_returns(
    registry: tuple[str, Path], repository: str, capsys: pytest.CaptureFixture[str]
) -> None:
    address, home = registry
    assert main(["push", "--version", "v1", "--colour", "blue", "--repository", repository]) == 0
    reference = capsys.readouterr().out.strip()
    assert reference == f"{repository}@{build('v1', 'blue').digest}"
    assert push(build("v1", "blue"), repository, "latest") == reference
    config = json.loads((home / "docker" / "config.json").read_text())
    trust = ssl.create_default_context(cafile=str(home / "ca.pem"))
    for name in (reference.partition("@")[2], "v1", "latest"):
        request = urllib.request.Request(f"https://{address}/v2/demo/app/manifests/{name}", method="HEAD")
        request.add_header("Authorization", f"Basic {config['auths'][address]['auth']}")
        request.add_header("Accept", "application/vnd.oci.image.manifest.v1+json")
        with urllib.request.urlopen(request, context=trust, timeout=5) as answer:
            assert f"{repository}@{answer.headers['Docker-Content-Digest']}" == reference


def test_the_password_is_not_in_the_arguments_of_the_push(
    repository: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    skopeo, seen = shutil.which("skopeo"), tmp_path / "arguments"
    spy = tmp_path / "skopeo"
    spy.write_text(f'#!/bin/sh\necho "$@" >> {seen}\nexec {skopeo} "$@"\n')
    spy.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    push(build("v1", "blue"), repository)
    arguments = seen.read_text()
    assert repository in arguments
    assert PASSWORD not in arguments
    assert base64.b64encode(f"tester:{PASSWORD}".encode()).decode() not in arguments


def test_a_refused_push_says_why_in_one_line_without_the_password(
    repository: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    auth = base64.b64encode(f"nobody:{PASSWORD}".encode()).decode()
    wrong = {"auths": {repository.partition("/")[0]: {"auth": auth}}}
    (tmp_path / "config.json").write_text(json.dumps(wrong))
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    assert main(["push", "--version", "v1", "--colour", "blue", "--repository", repository]) == 1
    out, error = capsys.readouterr()
    assert out == ""
    assert error.startswith(f"error: {repository}:v1: push failed: ")
    assert error.count("\n") == 1
    assert "unauthorized" in error
    assert PASSWORD not in error


def test_an_untrusted_registry_is_refused(repository: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")
    with pytest.raises(ImageError, match="certificate"):
        push(build("v1", "blue"), repository)
