"""Check kind `http`: through a made-up API server's proxy, and to a real server on the loopback."""

import threading
import time
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx2
import pytest
from lightkube import Client, KubeConfig
from lightkube.config.models import Cluster, User

from pulumi_slipway.cluster.time_limit import Stopped
from pulumi_slipway.release.checks import http
from pulumi_slipway.release.checks.http import HttpCheck
from pulumi_slipway.release.checks.model import Status, Target
from pulumi_slipway.settings.checks import Http

SERVICE = Target("myapp", "e", "shop", "blueGreen", "green", "abc", "img", "myapp-preview", 3000, None, {"a": "b"})
PODS = replace(SERVICE, service=None)
PROXY = "/api/v1/namespaces/shop"


def refusal(code, message):
    """The API server's own words."""
    return httpx2.Response(code, json={"kind": "Status", "apiVersion": "v1", "message": message, "code": code})


def pod(name, ready=True, deleted=False):
    gone = {"deletionTimestamp": "2026-01-01T00:00:00Z"} if deleted else {}
    conditions = [{"type": "Ready", "status": "True" if ready else "False"}]
    return {"metadata": {"name": name, **gone}, "spec": {"containers": []}, "status": {"conditions": conditions}}


class Api:
    """An API server with these answers by path; it notes what is asked."""

    def __init__(self, answers, pods=()):
        self.answers, self.pods, self.requests = answers, list(pods), []

    def __call__(self, request):
        self.requests.append(request)
        if request.url.path == f"{PROXY}/pods":
            if isinstance(self.pods[0] if self.pods else None, httpx2.Response):
                return self.pods[0]
            return httpx2.Response(200, json={"items": self.pods, "metadata": {}})
        found = self.answers[request.url.path]
        if isinstance(found, Exception):
            raise found
        return found

    def client(self):
        config = KubeConfig.from_one(
            cluster=Cluster(server="https://k8s.example.com"), user=User(token="planted-token")
        )
        return Client(config, transport=httpx2.MockTransport(self))


def measure(api, target=SERVICE, timeout=5, stop=None, **settings):
    check = HttpCheck(Http.model_validate({"path": "/healthz"} | settings), target, api.client(), None, timeout)
    return check(1, stop or threading.Event())


def through_service(answer, **settings):
    return measure(Api({f"{PROXY}/services/myapp-preview:http/proxy/healthz": answer}), **settings)


def text(code, body="ok", kind="text/plain"):
    return httpx2.Response(code, text=body, headers={"Content-Type": kind})


# Through the API server: a Service


@pytest.mark.parametrize("code", [200, 204, 301, 399])
def test_200_to_399_is_good(code):
    reading = through_service(text(code))
    assert (reading.status, reading.reason) == (
        Status.SUCCESSFUL,
        f"Service myapp-preview /healthz answers {code}",
    )


@pytest.mark.parametrize("code", [400, 404, 500, 503])
def test_any_other_answer_of_the_release_is_bad(code):
    reading = through_service(text(code))
    assert (reading.status, reading.reason) == (
        Status.FAILED,
        f"Service myapp-preview /healthz answers {code}, must be 200 to 399",
    )


def test_one_status_may_be_wanted():
    assert through_service(text(418), status=418).status is Status.SUCCESSFUL
    assert through_service(text(200), status=418).reason.endswith("answers 200, must be 418")


def test_a_text_may_be_wanted_in_the_answer():
    assert through_service(text(200, "version v2 ü"), body="v2 ü").status is Status.SUCCESSFUL
    reading = through_service(text(200, "version v1"), body="v2")
    assert (reading.status, reading.reason.partition(" answers ")[2]) == (Status.FAILED, '200, without "v2" in it')


def test_the_path_is_asked_with_its_query_which_is_not_shown():
    api = Api({f"{PROXY}/services/myapp-preview:http/proxy/a/b": text(200)})
    reading = measure(api, path="/a/b?key=hidden&x=1", headers={"X-Test": "1"})
    (request,) = api.requests
    assert (request.method, request.url.query, request.headers["X-Test"]) == ("GET", b"key=hidden&x=1", "1")
    assert "hidden" not in reading.reason


# What the API server says itself


@pytest.mark.parametrize("code", [502, 503, 504])
def test_a_pod_that_the_api_server_does_not_reach_is_bad(code):
    reading = through_service(refusal(code, "error trying to reach service: connection refused"))
    assert reading.status is Status.FAILED
    assert reading.reason.endswith("does not answer: error trying to reach service: connection refused")


@pytest.mark.parametrize("code", [401, 403, 404, 429, 500])
def test_a_refusal_of_the_api_server_is_an_error_even_if_its_status_is_the_wanted_one(code):
    reading = through_service(refusal(code, "forbidden"), status=code)
    assert (reading.status, reading.reason.partition("asked: ")[2]) == (
        Status.ERROR,
        f"the API server answers {code}: forbidden",
    )


def test_json_of_the_release_is_its_own_answer():
    assert through_service(text(404, '{"kind": "Pot"}', "application/json")).status is Status.FAILED
    assert through_service(text(404, "{", "application/json")).status is Status.FAILED
    assert through_service(text(404, "[]", "application/json"), status=404).status is Status.SUCCESSFUL


def test_an_api_server_that_is_away_is_an_error():
    reading = through_service(httpx2.ConnectError("[Errno 111] Connection refused"))
    assert (reading.status, reading.reason) == (
        Status.ERROR,
        "the API server does not answer: [Errno 111] Connection refused",
    )


def test_without_an_answer_in_time_the_release_is_silent_if_the_api_server_is_not():
    silent = {f"{PROXY}/services/myapp-preview:http/proxy/healthz": httpx2.ReadTimeout("")}
    reading = measure(Api(silent | {"/version": text(200)}))
    assert (reading.status, reading.reason) == (
        Status.FAILED,
        "Service myapp-preview /healthz did not answer within 5 s",
    )
    for away in (text(503), httpx2.ConnectError("no")):
        reading = measure(Api(silent | {"/version": away}))
        assert (reading.status, reading.reason) == (Status.ERROR, "the API server did not answer within 5 s")


# Each pod


def pods_answer(*codes):
    names = [f"p{i}" for i in range(len(codes))]
    answers = {f"{PROXY}/pods/{name}:3000/proxy/healthz": code for name, code in zip(names, codes, strict=True)}
    return Api(answers, map(pod, names))


@pytest.mark.parametrize(
    ("asked", "service", "number"), [(None, "http", 3000), ("admin", "admin", 9000), (81, "admin", 9000)]
)
def test_the_port_that_is_named_is_asked_of_the_service_and_of_the_pods(asked, service, number):
    ports = {"admin": ("admin", 9000), "81": ("admin", 9000)}
    through = {f"{PROXY}/services/myapp-preview:{service}/proxy/": httpx2.Response(200)}
    assert measure(Api(through), replace(SERVICE, ports=ports), path="/", port=asked).status is Status.SUCCESSFUL
    through = {f"{PROXY}/pods/one:{number}/proxy/": httpx2.Response(200)}
    assert (
        measure(Api(through, [pod("one")]), replace(PODS, ports=ports), path="/", port=asked).status
        is Status.SUCCESSFUL
    )


def test_every_ready_pod_has_to_answer_well():
    api = pods_answer(text(200), text(200))
    reading = measure(api, PODS)
    assert (reading.status, reading.reason) == (
        Status.SUCCESSFUL,
        "pods of myapp /healthz: each of 2 answers well",
    )
    assert api.requests[0].url.params["labelSelector"] == "a=b"
    reading = measure(pods_answer(text(200), text(500), text(200)), PODS)
    assert (reading.status, reading.reason) == (Status.FAILED, "pod p1 /healthz answers 500, must be 200 to 399")


def test_a_pod_that_can_not_be_asked_is_an_error_unless_another_is_bad():
    assert measure(pods_answer(text(200), refusal(403, "no")), PODS).status is Status.ERROR
    assert measure(pods_answer(refusal(403, "no"), text(500)), PODS).status is Status.FAILED


def test_pods_that_are_not_ready_or_go_are_not_asked():
    api = pods_answer(text(200))
    api.pods += [pod("starting", ready=False), pod("going", deleted=True)]
    assert measure(api, PODS).status is Status.SUCCESSFUL


def test_no_ready_pod_is_bad():
    reading = measure(Api({}, [pod("starting", ready=False)]), PODS)
    assert (reading.status, reading.reason) == (Status.FAILED, "pods of myapp /healthz: none is ready")


def test_pods_that_may_not_be_listed_are_an_error():
    reading = measure(Api({}, [refusal(403, "pods is forbidden")]), PODS)
    assert (reading.status, reading.reason.partition("asked: ")[2]) == (
        Status.ERROR,
        "the API server refuses: pods is forbidden",
    )


# A URL


class Handler(BaseHTTPRequestHandler):
    """Answers by path; `seen` has the headers of the last request."""

    seen: dict[str, str] = {}  # noqa: RUF012
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        type(self).seen = dict(self.headers)
        if self.path == "/silent":
            self.server.over.wait(10)
            self.close_connection = True
            return
        self.send_response(302 if self.path == "/moved" else 200)
        self.send_header("Location", "/silent")
        self.send_header("Connection", "close")
        self.end_headers()
        if self.path == "/drips":
            while not self.server.over.wait(0.02):
                self.wfile.write(b".")
                self.wfile.flush()
        elif self.path == "/huge":
            for _ in range(64):
                self.wfile.write(b"x" * 2**16)
        else:
            self.wfile.write(b"fine")

    def handle_one_request(self):
        try:
            super().handle_one_request()
        except OSError:  # the other side has heard enough
            self.close_connection = True

    def log_message(self, *_):
        pass


@contextmanager
def served():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.over, server.daemon_threads = threading.Event(), True
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.over.set()
        server.shutdown()
        server.server_close()


def ask(url, timeout=5.0, token=None, stop=None, **settings):
    with httpx2.Client(trust_env=False) as web:
        check = HttpCheck(Http.model_validate({"url": url} | settings), SERVICE, None, web, timeout, token)
        return check(1, stop or threading.Event())


def test_a_url_is_asked_straight_with_headers_and_token():
    with served() as at:
        reading = ask(f"{at}/a?key=hidden", token="planted-token", headers={"Host": "example.com"}, body="fine")
    assert (reading.status, reading.reason) == (Status.SUCCESSFUL, f"{at}/a answers 200")
    assert (Handler.seen["Authorization"], Handler.seen["Host"]) == ("Bearer planted-token", "example.com")


def test_a_redirect_is_not_followed():
    with served() as at:
        assert ask(f"{at}/moved").reason == f"{at}/moved answers 302"


@pytest.mark.parametrize("path", ["/silent", "/drips"])
def test_no_whole_answer_in_time_is_bad(path):
    with served() as at:
        begin = time.monotonic()
        reading = ask(at + path, timeout=0.15)
        assert time.monotonic() - begin < 3
    assert (reading.status, reading.reason) == (Status.FAILED, f"{at}{path} did not answer within 0.15 s")


def test_of_a_huge_answer_only_the_beginning_is_read():
    with served() as at:
        assert ask(f"{at}/huge", body="y").status is Status.FAILED
        assert ask(f"{at}/huge", body="xx").status is Status.SUCCESSFUL


def test_a_url_that_can_not_be_reached_is_an_error():
    with served() as at:
        pass
    reading = ask(f"{at}/a")
    assert reading.status is Status.ERROR
    assert reading.reason.startswith(f"{at}/a can not be reached: ")


def test_it_is_given_up_when_the_analysis_is_over():
    stop = threading.Event()
    threading.Timer(0.1, stop.set).start()
    with served() as at:
        begin = time.monotonic()
        with pytest.raises(Stopped):
            ask(f"{at}/silent", timeout=30, stop=stop)
        assert time.monotonic() - begin < 5


def test_the_api_server_gets_little_time_to_say_that_it_is_there(monkeypatch):
    monkeypatch.setattr(http, "API_SECONDS", 0.05)
    hang = threading.Event()

    def silent(request):
        hang.wait(10)
        raise httpx2.ReadTimeout("")

    config = KubeConfig.from_one(cluster=Cluster(server="https://k8s.example.com"), user=User(token="planted-token"))
    client = Client(config, transport=httpx2.MockTransport(silent))
    reading = HttpCheck(Http(path="/"), SERVICE, client, None, 0.1)(1, threading.Event())
    hang.set()
    assert reading.reason == "the API server did not answer within 0.1 s"
