"""A runner behind a proxy: registry, GitLab and API server are asked through it, but for what NO_PROXY names."""

import socket
import threading

import pytest
import yaml
from lightkube.resources.core_v1 import Namespace

from pulumi_slipway.cluster import client as cluster
from pulumi_slipway.core.errors import UserError
from pulumi_slipway.pipeline.project import NOTE_TOKEN, connect
from pulumi_slipway.release import image

HOSTS = {"registry": "registry.test", "gitlab": "gitlab.test", "cluster": "kubernetes.test"}


@pytest.fixture
def proxy(monkeypatch):
    """A proxy that lets nobody through; gives the hosts that it was asked for."""
    server = socket.create_server(("127.0.0.1", 0))
    asked = []

    def serve():
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            with connection:
                asked.append(connection.recv(4096).split(b"\r\n")[0].decode())
                connection.sendall(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")

    threading.Thread(target=serve, daemon=True).start()
    for name in ("HTTPS_PROXY", "https_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{server.getsockname()[1]}")
    for name in ("NO_PROXY", "no_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    image._client.cache_clear()
    yield asked
    server.close()
    image._client.cache_clear()


def ask(whom):
    """One question; each ends as an error for people, since nobody is there."""
    if whom == "registry":
        image.resolve(f"{HOSTS[whom]}/app:v1", {"DOCKER_CONFIG": "/nowhere"})
    elif whom == "gitlab":
        environ = {NOTE_TOKEN: "t", "CI_PROJECT_PATH": "a/b", "CI_SERVER_URL": f"https://{HOSTS[whom]}"}
        project = connect(NOTE_TOKEN, environ)
        project._client.retry_transient_errors = False
        project.job(1)
    else:
        server = {"clusters": [{"name": "c", "cluster": {"server": f"https://{HOSTS[whom]}"}}], "current-context": "c",
                  "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
                  "users": [{"name": "u", "user": {"token": "t"}}]}  # fmt: skip
        client = cluster.connect(given=yaml.safe_dump(server))
        with cluster.as_preflight_error(client):
            client.get(Namespace, "apps")


@pytest.mark.parametrize("whom", HOSTS)
def test_it_is_asked_through_the_proxy(whom, proxy):
    with pytest.raises(UserError) as told:
        ask(whom)
    assert proxy
    assert {it.split()[1] for it in proxy} == {f"{HOSTS[whom]}:443"}
    assert {it.split()[0] for it in proxy} == {"CONNECT"}
    assert "\n" not in str(told.value)


@pytest.mark.parametrize("whom", HOSTS)
def test_what_no_proxy_names_is_asked_without_it(whom, proxy, monkeypatch):
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, "10.0.0.0/8,.test")
    with pytest.raises(UserError):
        ask(whom)
    assert not proxy
