"""Check kind `prometheus`: the presets' queries, what an answer means, and that no secret is told."""

import math
import threading

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st
from lightkube.models.core_v1 import Pod

from pulumi_slipway.release.checks import run
from pulumi_slipway.release.checks.model import Status, Target
from pulumi_slipway.release.checks.presets import query
from pulumi_slipway.release.checks.prometheus import PrometheusCheck, judged
from pulumi_slipway.settings.checks import Check, Prometheus
from sandbox.discovery import target

TARGET = Target("myapp", "production", "shop", "canary", "canary", "abc123", "img", None, 3000, None, {})
AT = "http://prometheus.example.com:9090"


def measure(answer, address=AT, token=None, **settings):
    """What is made of an answer, and the request."""
    requests = []

    def transport(request):
        requests.append(request)
        if isinstance(answer, Exception):
            raise answer
        return answer

    with httpx2.Client(transport=httpx2.MockTransport(transport)) as web:
        limits = {} if {"preset", "min", "max"} & set(settings) else {"min": 0.5, "max": 2}
        asked = Prometheus.model_validate(({} if "preset" in settings else {"query": "up"}) | limits | settings)
        check = PrometheusCheck(asked, TARGET, web, 5, address, token)
        return check(1, threading.Event()), requests


def success(kind, result, **more):
    return httpx2.Response(200, json={"status": "success", "data": {"resultType": kind, "result": result}, **more})


def vector(*values):
    return success("vector", [{"metric": {"pod": str(i)}, "value": [1.5, text]} for i, text in enumerate(values)])


# What is asked


def test_the_query_is_filled_in_and_asked_at_the_api():
    _, (request,) = measure(
        vector("1"), address=f"{AT}/prefix/", token="planted-token",
        query='up{a="{{workload}}",e="{{environment}}",n="{{ namespace }}",t="{{track}}",r="{{release}}"}',
    )  # fmt: skip
    assert request.url.path == "/prefix/api/v1/query"
    assert request.url.params["query"] == 'up{a="myapp",e="production",n="shop",t="canary",r="abc123"}'
    assert request.headers["Authorization"] == "Bearer planted-token"


def test_without_a_token_none_is_sent():
    _, (request,) = measure(vector("1"))
    assert "Authorization" not in request.headers


SELECTED = 'namespace="shop",slipway_dev_track="canary",slipway_dev_release="abc123"'


def test_the_presets_ask_for_the_pods_of_the_track_and_the_release():
    _, (request,) = measure(vector("1"), preset="success-rate")
    assert request.url.params["query"] == (
        f'1 - (sum(rate(http_requests_total{{{SELECTED},code=~"5.."}}[1m])) or vector(0)) '
        f"/ sum(rate(http_requests_total{{{SELECTED}}}[1m]))"
    )
    _, (request,) = measure(vector("1"), preset="latency-p95", window="90s")
    assert request.url.params["query"] == (
        f"histogram_quantile(0.95, sum by (le) (rate(http_request_duration_seconds_bucket{{{SELECTED}}}[90s])))"
    )
    assert "{{" in query("success-rate", 60)


def test_the_sandbox_gives_series_the_labels_that_the_presets_select_by():
    labels = {
        "app.kubernetes.io/instance": "myapp", "slipway.dev/track": "canary", "slipway.dev/release": "abc123",
    }  # fmt: skip
    annotations = {"prometheus.io/scrape": "true", "prometheus.io/port": "3000"}
    metadata = {"name": "myapp-1", "namespace": "shop", "labels": labels, "annotations": annotations}
    pod = Pod.from_dict({"metadata": metadata, "status": {"phase": "Running", "podIP": "10.0.0.1"}})
    found = target(pod)
    assert found is not None
    selected = dict(pair.split("=") for pair in SELECTED.replace('"', "").split(","))
    assert selected.items() <= found["labels"].items()


# What an answer means


@pytest.mark.parametrize(
    ("text", "status", "reason"),
    [
        ("1", Status.SUCCESSFUL, "1 is within min 0.5, max 2"),
        ("0.5", Status.SUCCESSFUL, "0.5 is within min 0.5, max 2"),
        ("2", Status.SUCCESSFUL, "2 is within min 0.5, max 2"),
        ("0.25", Status.FAILED, "0.25 is below min 0.5"),
        ("2.5", Status.FAILED, "2.5 is above max 2"),
        ("NaN", Status.INCONCLUSIVE, "no data: the result is nan"),
        ("+Inf", Status.INCONCLUSIVE, "no data: the result is inf"),
        ("-Inf", Status.INCONCLUSIVE, "no data: the result is -inf"),
    ],
)
def test_one_value_is_held_against_the_limits(text, status, reason):
    for answer in (vector(text), success("scalar", [1.5, text])):
        reading, _ = measure(answer)
        assert (reading.status, reading.reason) == (status, reason)
        assert reading.value == (float(text) if status is not Status.INCONCLUSIVE else None)


def test_no_series_is_no_data():
    reading, _ = measure(vector())
    assert (reading.status, reading.reason) == (Status.INCONCLUSIVE, "no data: the query's result is empty")


def test_of_several_series_each_must_fit_and_the_worst_is_told():
    reading, _ = measure(vector("1", "0.4", "0.1", "0.6"))
    assert (reading.status, reading.value, reading.reason) == (
        Status.FAILED,
        0.1,
        "0.1 is below min 0.5, the worst of 4 series",
    )
    assert measure(vector("1", "NaN"))[0].status is Status.INCONCLUSIVE
    assert measure(vector("NaN", "3"))[0].status is Status.FAILED
    assert measure(vector("1", "0.7"))[0].value == 0.7


@given(
    st.lists(st.floats(), max_size=5),
    st.dictionaries(st.sampled_from(["min", "max"]), st.floats(-10, 10), min_size=1),
)
def test_any_result_is_judged_series_by_series(values, limits):
    low, high = limits.get("min", -math.inf), limits.get("max", math.inf)
    finite = [value for value in values if math.isfinite(value)]
    if any(not low <= value <= high for value in finite):
        expected = Status.FAILED
    elif finite and finite == values:
        expected = Status.SUCCESSFUL
    else:
        expected = Status.INCONCLUSIVE
    reading = judged(values, limits)
    assert reading.status is expected
    assert reading.value is None or reading.value in values


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (
            httpx2.Response(400, json={"status": "error", "error": "1:5: parse error"}),
            "Prometheus answers 400: 1:5: parse error",
        ),
        (httpx2.Response(503, text="<html>"), "Prometheus answers 503: without a reason"),
        (httpx2.Response(401, json=[]), "Prometheus answers 401: without a reason"),
        (
            httpx2.Response(200, text="<html>"),
            "Prometheus answers 200 with what is no scalar and no instant vector",
        ),
        (
            success("vector", [{"metric": {}, "histogram": [1, {}]}]),
            "Prometheus answers 200 with what is no scalar and no instant vector",
        ),
        (vector("much"), "Prometheus answers 200 with what is no scalar and no instant vector"),
        (
            success("matrix", [{"metric": {}, "values": [[1, "1"]]}]),
            "Prometheus answers with a matrix: the query must give a scalar or an instant vector",
        ),
        (
            success("string", [1, "a"]),
            "Prometheus answers with a string: the query must give a scalar or an instant vector",
        ),
        (httpx2.ConnectError("[Errno 111] refused"), "Prometheus does not answer: [Errno 111] refused"),
        (httpx2.ReadTimeout(""), "Prometheus did not answer within 5 s"),
    ],
)
def test_what_is_no_answer_is_an_error(answer, reason):
    reading, _ = measure(answer)
    assert (reading.status, reading.reason) == (Status.ERROR, reason)


def test_without_an_address_it_is_an_error():
    reading, requests = measure(vector("1"), address=None)
    assert (reading.status, requests) == (Status.ERROR, [])


# Through `run`


def test_neither_a_token_nor_a_login_is_told(monkeypatch):
    def transport(request):
        raise httpx2.ConnectError("http://user:planted-password@prometheus planted-token")

    real = httpx2.Client
    monkeypatch.setattr(httpx2, "Client", lambda: real(transport=httpx2.MockTransport(transport)))
    check = Check.model_validate(
        {"prometheus": {"preset": "success-rate", "tokenFromEnv": "TOKEN"}, "consecutiveErrorLimit": 0}
    )
    told = []
    verdicts = run(
        None, {"rate": check}, TARGET, seconds=None, prometheus="http://user:planted-password@prometheus",
        tell=told.append, environment={"TOKEN": "planted-token\n"},
    )  # fmt: skip
    assert verdicts[0].status is Status.ERROR
    assert "planted" not in repr((told, verdicts))
    assert told == ["rate Error: Prometheus does not answer: http://prometheus [MASKED]"]


def test_a_token_that_no_header_can_carry_is_not_told_either():
    check = Check.model_validate(
        {"prometheus": {"preset": "success-rate", "tokenFromEnv": "TOKEN"}, "consecutiveErrorLimit": 0}
    )
    verdicts = run(
        None, {"rate": check}, TARGET, seconds=None, prometheus="http://127.0.0.1:9", tell=print,
        environment={"TOKEN": "planted-one\nplanted-two"},
    )  # fmt: skip
    assert verdicts[0].status is Status.ERROR
    assert "planted" not in repr(verdicts)
