"""What the access stack says where GitLab is not as it must be; one line each, before anything is written."""

import json
from urllib.parse import parse_qs, urlsplit

import pytest
import requests

from pulumi_slipway.gitlab import GitLabError, api_url
from pulumi_slipway.preflight.gitlab import Project, check

ENVIRON = {"GITLAB_BASE_URL": "https://gitlab.example.com/api/v4/", "GITLAB_TOKEN": "glpat-planted-secret"}
PROJECT = {
    "id": 7, "path_with_namespace": "demo/app", "default_branch": "main",
    "permissions": {"project_access": {"access_level": 40}, "group_access": None},
}  # fmt: skip


def answered(status, body, headers=()):
    """What GitLab sends."""
    made = requests.Response()
    made.status_code, made.reason = status, "said"
    made.headers.update({"Content-Type": "application/json", **dict(headers)})
    made._content = json.dumps(body).encode()
    return made


class gitlab(requests.Session):
    """A GitLab that answers like a healthy one, except for the pages given: (status, JSON), or a function."""

    def __init__(self, **answers):
        super().__init__()
        self.pages = {
            "personal_access_tokens/self": (200, {"scopes": ["api"], "active": True}),
            "projects/demo%2Fapp": (200, PROJECT),
            "projects/7/variables": (200, []),
            "projects/7/environments": (200, []),
            "user": (200, {"id": 1}),
        } | {page.replace("__", "/"): answer for page, answer in answers.items()}

    def send(self, request, **_):
        assert request.method == "GET", "a preflight writes nothing"
        assert request.headers["Authorization"] == "Bearer glpat-planted-secret"
        answer = self.pages[urlsplit(request.url).path.removeprefix("/api/v4/")]
        made = answer(request) if callable(answer) else answered(*answer)
        made.request, made.url = request, request.url
        return made


def refusal(session, environ=ENVIRON):
    with pytest.raises(GitLabError) as caught:
        check("demo/app", environ, session=session)
    text = str(caught.value)
    assert "\n" not in text
    assert "glpat-planted-secret" not in text
    return text


def test_a_fit_project_is_described_without_the_values_of_its_variables():
    variables = [
        {"key": "KUBE_TOKEN", "environment_scope": "staging", "value": "v1", "description": "Managed by Slipway"},
        {"key": "KUBE_URL", "environment_scope": "*", "value": "v2", "description": None},
    ]
    found = check("demo/app", ENVIRON, session=gitlab(projects__7__variables=(200, variables)))
    assert found == Project(
        7, "demo/app", "main", {("KUBE_TOKEN", "staging"): True, ("KUBE_URL", "*"): False}, {}
    )  # fmt: skip


def test_every_page_of_a_long_list_is_read():
    def pages(request):
        page = parse_qs(urlsplit(request.url).query).get("page", ["1"])[0]
        address = "https://gitlab.example.com/api/v4/projects/7/variables?page=2"
        following = {"Link": f'<{address}>; rel="next"'} if page == "1" else {}
        return answered(200, [{"key": f"K{page}", "environment_scope": "*"}], following)

    found = check("demo/app", ENVIRON, session=gitlab(projects__7__variables=pages))
    assert set(found.variables) == {("K1", "*"), ("K2", "*")}


def test_a_missing_token_is_asked_for():
    assert refusal(gitlab(), {}).startswith("GITLAB_TOKEN is not set")


def test_a_refused_token_is_said_to_be_wrong_expired_or_revoked():
    text = refusal(gitlab(**{"personal_access_tokens__self": (401, {"message": "401 Unauthorized"})}))
    assert text.startswith("GitLab refuses GITLAB_TOKEN (401)")


@pytest.mark.parametrize(
    "answer", [(200, {"scopes": ["read_api", "read_user"]}), (403, {"error": "insufficient_scope"})]
)
def test_a_token_without_the_scope_api_is_refused(answer):
    assert "lacks the scope api" in refusal(gitlab(**{"personal_access_tokens__self": answer}))


def test_a_project_that_is_not_there_is_named():
    assert "no project demo/app" in refusal(
        gitlab(**{"projects__demo%2Fapp": (404, {"message": "404 Project Not Found"})})
    )


def test_a_role_below_maintainer_is_refused_with_its_level():
    weak = PROJECT | {"permissions": {"project_access": {"access_level": 30}, "group_access": {"access_level": 20}}}
    assert "access level 30" in refusal(gitlab(**{"projects__demo%2Fapp": (200, weak)}))


def test_the_role_that_a_group_gives_counts():
    by_group = PROJECT | {"permissions": {"project_access": None, "group_access": {"access_level": 50}}}
    assert check("demo/app", ENVIRON, session=gitlab(**{"projects__demo%2Fapp": (200, by_group)})).id == 7


def test_an_administrator_of_the_instance_needs_no_role():
    none = PROJECT | {"permissions": {"project_access": None, "group_access": None}}
    admin = gitlab(**{"projects__demo%2Fapp": (200, none), "user": (200, {"is_admin": True})})
    found = check("demo/app", ENVIRON, session=admin)
    assert found.id == 7


def test_an_unreachable_gitlab_is_named_by_its_address():
    def nobody(_request):
        raise requests.ConnectionError("pool and URL") from OSError("connection refused")

    text = refusal(gitlab(**{"personal_access_tokens__self": nobody}))
    assert "gitlab.example.com does not answer (connection refused)" in text


def test_an_address_that_answers_with_a_web_page_is_no_api():
    def page(_request):
        return answered(200, "sign in", {"Content-Type": "text/html"})

    assert "no JSON: check that GITLAB_BASE_URL" in refusal(gitlab(**{"personal_access_tokens__self": page}))


def test_a_list_that_is_refused_is_said_with_gitlabs_reason():
    text = refusal(gitlab(projects__7__variables=(403, {"message": "403 Forbidden"})))
    assert "list the variables and environments of demo/app (403): 403 Forbidden" in text


def test_the_address_is_that_of_the_settings_then_of_the_job_then_gitlab_coms():
    assert api_url({"GITLAB_BASE_URL": "https://a/api/v4", "CI_SERVER_URL": "https://b"}) == "https://a/api/v4/"
    assert api_url({"CI_SERVER_URL": "https://b"}) == "https://b/api/v4/"
    assert api_url({}) == "https://gitlab.com/api/v4/"


def test_the_address_may_be_that_of_gitlab_itself():
    assert (
        api_url({"GITLAB_BASE_URL": "https://a"}) == api_url({"GITLAB_BASE_URL": "https://a/"}) == "https://a/api/v4/"
    )


def test_protected_environments_on_a_tier_without_them_are_refused_before_anything_is_written():
    free = gitlab(projects__7__protected_environments=(404, {"message": "404 Not Found"}))
    with pytest.raises(GitLabError, match=r"gitlab\.protectedEnvironments: demo/app .* need GitLab Premium"):
        check("demo/app", ENVIRON, premium=True, session=free)
    for status in (200, 403):  # who may make them need not be allowed to list them
        paid = gitlab(projects__7__protected_environments=(status, []))
        assert check("demo/app", ENVIRON, premium=True, session=paid).id == 7
