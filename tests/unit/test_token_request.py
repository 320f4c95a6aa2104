"""The dynamic provider that mints tokens: what it asks for, what it hands on, and what it never does."""

import base64
import json

import httpx2
import pytest
from lightkube import Client, KubeConfig
from lightkube.config.models import Cluster, User
from pulumi.dynamic.dynamic import serialize_provider

from pulumi_slipway.components import token_request
from pulumi_slipway.components.token_request import TokenRequestProvider, capped
from pulumi_slipway.core.errors import UserError

WISH = {"namespace": "staging", "account": "gitlab-deploy", "secret": "anchor", "uid": "u-1", "lifetime": 7200.0}


@pytest.fixture
def api(monkeypatch):
    """An API server that answers a TokenRequest; `answer` is what it says, `asked` what it was sent."""

    class Api:
        expires, status, asked = "2099-01-01T00:00:00Z", 201, None

        def handle(self, request):
            self.asked = json.loads(request.content)
            assert request.url.path == "/api/v1/namespaces/staging/serviceaccounts/gitlab-deploy/token"
            if self.status != 201:
                body = {"kind": "Status", "message": 'serviceaccounts "gitlab-deploy" not found', "code": self.status}
                return httpx2.Response(self.status, json=body)
            return httpx2.Response(201, json={"status": {"token": "minted", "expirationTimestamp": self.expires}})

    api = Api()
    config = KubeConfig.from_one(cluster=Cluster(server="https://k8s.example.com"), user=User(token="admin"))
    monkeypatch.setattr(
        token_request, "connect", lambda: Client(config, transport=httpx2.MockTransport(api.handle))
    )  # fmt: skip
    return api


def test_a_token_is_asked_for_in_whole_seconds_and_bound_to_the_secret(api):
    made = TokenRequestProvider().create(WISH)
    assert made.outs["token"] == "minted"
    assert made.outs["problem"] == ""
    spec = api.asked["spec"]
    assert spec["expirationSeconds"] == 7200
    assert isinstance(spec["expirationSeconds"], int)
    assert spec["boundObjectRef"] == {"apiVersion": "v1", "kind": "Secret", "name": "anchor", "uid": "u-1"}


def test_a_shorter_grant_is_said_with_the_setting_and_its_token_is_not_handed_on(api):
    api.expires = "2026-01-01T00:00:00Z"
    made = TokenRequestProvider().create(WISH)
    assert made.outs["token"] == ""
    assert "set slipway:access:token.expiration to" in made.outs["problem"]


def test_a_refusal_is_one_line_and_no_exception(api):
    api.status = 404
    made = TokenRequestProvider().create(WISH)
    assert made.outs["token"] == ""
    assert made.outs["problem"] == 'the API server does not give it: serviceaccounts "gitlab-deploy" not found'


def test_a_cluster_that_is_gone_is_one_line_and_no_exception(monkeypatch):
    def nobody():
        raise UserError("no usable kubeconfig")

    monkeypatch.setattr(token_request, "connect", nobody)
    assert TokenRequestProvider().create(WISH).outs["problem"].endswith("no usable kubeconfig")


@pytest.mark.parametrize(
    ("asked", "granted", "told"),
    [
        (7200, 7200, ""),
        (7200, 7150, ""),
        (90 * 86400, 86400, "grants tokens for 24h at most (asked for: 2160h)"),
        (90 * 86400, 86390, "grants tokens for 24h at most"),
        (7200, 5400, "grants tokens for 1h at most"),
    ],
)
def test_a_cap_is_told_in_whole_hours(asked, granted, told):
    assert told in capped(asked, granted)
    assert bool(told) == bool(capped(asked, granted))


def test_a_change_of_any_wish_is_another_token_and_a_failed_one_is_asked_for_again():
    same = TokenRequestProvider().diff("id", {**WISH, "problem": ""}, WISH)
    assert not same.changes
    for key in WISH:
        other = TokenRequestProvider().diff("id", {**WISH, "problem": ""}, {**WISH, key: "other"})
        assert other.changes
        assert other.replaces == [key]
        assert other.delete_before_replace is False
    assert TokenRequestProvider().diff("id", {**WISH, "problem": "capped"}, WISH).replaces == ["problem"]


def test_what_is_kept_of_the_provider_in_the_state_is_its_name_only(monkeypatch):
    monkeypatch.setenv("GITLAB_TOKEN", "glpat-planted")
    kept = base64.b64decode(serialize_provider(TokenRequestProvider()))
    assert b"TokenRequestProvider" in kept
    assert len(kept) < 200
