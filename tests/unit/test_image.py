"""An image becomes a digest: whom the registry is asked as, and how its answers are told."""

import base64
import hashlib
import json

import httpx2
import pytest

from pulumi_slipway.release.image import ImageUnresolved, resolve, split

MANIFEST = b'{"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": []}'
DIGEST = f"sha256:{hashlib.sha256(MANIFEST).hexdigest()}"
OTHER = f"sha256:{'b' * 64}"
HOST = "registry.example.com"
APP = f"{HOST}/group/app"


@pytest.fixture
def nowhere(tmp_path):
    """A job's environment without any login."""
    return {"DOCKER_CONFIG": str(tmp_path)}


def basic(user, password):
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def docker_config(environment, content):
    with open(f"{environment['DOCKER_CONFIG']}/config.json", "w") as file:
        file.write(content if isinstance(content, str) else json.dumps(content))


def login(user, password):
    return {"auth": base64.b64encode(f"{user}:{password}".encode()).decode()}


class Registry:
    """A registry with one image, v1; `answer` decides on every request, by default it shows it to everyone."""

    def __init__(self, answer=None):
        self.requests, self.answer = [], answer or (lambda _: httpx2.Response(200, headers=SHOWN, content=MANIFEST))

    def resolve(self, reference, environment):
        def handle(request):
            self.requests.append(request)
            return self.answer(request)

        return resolve(reference, environment, httpx2.MockTransport(handle))

    def refusal(self, reference, environment):
        with pytest.raises(ImageUnresolved) as refused:
            self.resolve(reference, environment)
        assert "\n" not in str(refused.value)
        return str(refused.value)

    @property
    def logins(self):
        return [request.headers.get("authorization") for request in self.requests]


SHOWN = {"docker-content-digest": DIGEST}


@pytest.mark.parametrize(
    ("reference", "parts"),
    [
        ("app", ("app", "latest", None)),
        ("app:v1", ("app", "v1", None)),
        ("host:5000/app", ("host:5000/app", "latest", None)),
        ("host:5000/a/b:v1", ("host:5000/a/b", "v1", None)),
        (f"host/app@{DIGEST}", ("host/app", "latest", DIGEST)),
        (f"host:5000/app:v1@{DIGEST}", ("host:5000/app", "v1", DIGEST)),
    ],
)
def test_a_reference_is_taken_apart(reference, parts):
    assert split(reference) == parts


@pytest.mark.parametrize(
    ("reference", "url"),
    [
        (f"{APP}:v1", f"https://{HOST}/v2/group/app/manifests/v1"),
        (f"{APP}:v1@{DIGEST}", f"https://{HOST}/v2/group/app/manifests/{DIGEST}"),
        ("localhost/app", "https://localhost/v2/app/manifests/latest"),
        ("nginx", "https://registry-1.docker.io/v2/library/nginx/manifests/latest"),
        ("docker.io/nginx:1", "https://registry-1.docker.io/v2/library/nginx/manifests/1"),
        ("group/app", "https://registry-1.docker.io/v2/group/app/manifests/latest"),
    ],
)
def test_the_registry_that_the_reference_names_is_asked(reference, url, nowhere):
    registry = Registry()
    assert registry.resolve(reference, nowhere) == f"{split(reference)[0]}@{DIGEST}"
    method = "HEAD" if "@" in reference else "GET"
    assert [(request.method, str(request.url)) for request in registry.requests] == [(method, url)]
    assert "application/vnd.oci.image.index.v1+json" in registry.requests[0].headers["accept"]


# Whom it is asked as


def test_the_jobs_own_login_counts_for_gitlabs_registry_alone(nowhere):
    job = {**nowhere, "CI_REGISTRY": HOST, "CI_REGISTRY_USER": "job", "CI_REGISTRY_PASSWORD": "pass"}
    docker_config(nowhere, {"auths": {HOST: login("ada", "a"), "other.example.com": login("eve", "e")}})
    registry = Registry()
    registry.resolve(f"{APP}:v1", job)
    registry.resolve("other.example.com/app", job)
    registry.resolve("third.example.com/app", job)
    assert registry.logins == [basic("job", "pass"), basic("eve", "e"), None]


@pytest.mark.parametrize("key", [HOST, f"https://{HOST}"])
def test_a_docker_login_is_found_by_host_and_by_address(key, nowhere):
    docker_config(nowhere, {"auths": {key: login("ada", "with:colon")}})
    registry = Registry()
    registry.resolve(f"{APP}:v1", nowhere)
    assert registry.logins == [basic("ada", "with:colon")]


def test_the_login_of_docker_hub_has_a_name_of_its_own(nowhere):
    docker_config(nowhere, {"auths": {"https://index.docker.io/v1/": login("ada", "a")}})
    registry = Registry()
    registry.resolve("nginx", nowhere)
    assert registry.logins == [basic("ada", "a")]


@pytest.mark.parametrize(
    "content",
    ["{", "[]", '{"auths": null}', {"auths": {HOST: {}}}, {"auths": {HOST: None}}, {"auths": {HOST: {"auth": "x"}}}],
)
def test_a_docker_config_that_says_nothing_of_use_means_no_login(content, nowhere):
    docker_config(nowhere, content)
    registry = Registry()
    registry.resolve(f"{APP}:v1", nowhere)
    assert registry.logins == [None]


def test_gitlabs_variable_with_a_docker_config_counts_before_the_file(nowhere):
    docker_config(nowhere, {"auths": {HOST: login("ada", "a"), "other.example.com": login("eve", "e")}})
    job = {**nowhere, "DOCKER_AUTH_CONFIG": json.dumps({"auths": {HOST: login("bob", "b")}})}
    registry = Registry()
    for image in (f"{APP}:v1", "other.example.com/app"):
        registry.resolve(image, job)
    registry.resolve(f"{APP}:v1", {**job, "DOCKER_AUTH_CONFIG": "no JSON"})
    assert registry.logins == [basic("bob", "b"), basic("eve", "e"), basic("ada", "a")]


@pytest.mark.parametrize(
    ("config", "user"),
    [
        ({"credHelpers": {HOST: "test"}, "auths": {HOST: login("ada", "a")}}, basic("helped", "by it")),
        ({"credsStore": "test"}, basic("helped", "by it")),
        ({"credsStore": "test", "auths": {HOST: {}}}, basic("helped", "by it")),  # what `docker login` writes then
        ({"credsStore": "test", "auths": {HOST: login("ada", "a")}}, basic("ada", "a")),
        ({"credsStore": "not-installed"}, None),
        ({"credsStore": "../test"}, None),
        ({"credsStore": "test", "credHelpers": {"other.example.com": "not-installed"}}, basic("helped", "by it")),
    ],
)
def test_a_credential_helper_is_asked(config, user, nowhere, tmp_path):
    helper = tmp_path / "docker-credential-test"
    answer = json.dumps({"ServerURL": HOST, "Username": "helped", "Secret": "by it"})
    helper.write_text(f"#!/bin/sh\ntest $1 = get && test $(cat) = {HOST} && echo '{answer}'\n")
    helper.chmod(0o755)
    docker_config(nowhere, config)
    registry = Registry()
    registry.resolve(f"{APP}:v1", {**nowhere, "PATH": f"{tmp_path}:/usr/bin:/bin"})
    assert registry.logins == [user]


@pytest.mark.parametrize("answer", ["", "credentials not found", '{"Username": "<token>", "Secret": "x"}', "[]"])
def test_a_helper_that_has_no_login_means_none(answer, nowhere, tmp_path):
    helper = tmp_path / "docker-credential-test"
    helper.write_text(f"#!/bin/sh\necho '{answer}'\n")
    helper.chmod(0o755)
    docker_config(nowhere, {"credsStore": "test"})
    registry = Registry()
    registry.resolve(f"{APP}:v1", {**nowhere, "PATH": f"{tmp_path}:/usr/bin:/bin"})
    assert registry.logins == [None]


# The token service


CHALLENGE = f'Bearer realm="https://{HOST}/jwt/auth",service="registry",scope="repository:group/app:pull"'


def token_service(answer=None, realm=CHALLENGE):
    """A registry that wants a token of its service, as GitLab's does."""

    def handle(request):
        if request.url.path == "/jwt/auth":
            return answer or httpx2.Response(200, json={"token": "pull-token"})
        if request.headers.get("authorization") == "Bearer pull-token":
            return httpx2.Response(200, headers=SHOWN, content=MANIFEST)
        return httpx2.Response(401, headers={"www-authenticate": realm})

    return Registry(handle)


@pytest.mark.parametrize("key", ["token", "access_token"])
def test_a_token_is_fetched_with_the_login_and_shown_instead_of_it(key, nowhere):
    docker_config(nowhere, {"auths": {HOST: login("ada", "a")}})
    registry = token_service(httpx2.Response(200, json={key: "pull-token"}))
    assert registry.resolve(f"{APP}:v1", nowhere) == f"{APP}@{DIGEST}"
    assert registry.logins == [basic("ada", "a"), basic("ada", "a"), "Bearer pull-token"]
    assert dict(registry.requests[1].url.params) == {"service": "registry", "scope": "repository:group/app:pull"}


def test_a_public_image_is_resolved_with_a_token_for_nobody(nowhere):
    registry = token_service()
    registry.resolve(f"{APP}:v1", nowhere)
    assert registry.logins == [None, None, "Bearer pull-token"]


@pytest.mark.parametrize(
    "answer",
    [
        httpx2.Response(401),
        httpx2.Response(200, text="<html>"),
        httpx2.Response(200, json={}),
        httpx2.Response(200, json=["pull-token"]),
        httpx2.Response(200, json={"token": "pull-token\r\nX-Other: 1"}),
    ],
)
def test_a_token_service_that_gives_none_is_a_refused_login(answer, nowhere):
    docker_config(nowhere, {"auths": {HOST: login("ada", "planted-password")}})
    told = token_service(answer).refusal(f"{APP}:v1", nowhere)
    assert f"registry {HOST} refuses to show it as ada (401): log in" in told
    assert "planted-password" not in told


def test_a_login_never_goes_to_a_token_service_in_the_clear(nowhere):
    docker_config(nowhere, {"auths": {HOST: login("ada", "a")}})
    registry = token_service(realm=CHALLENGE.replace("https", "http"))
    assert "refuses to show it as ada (401)" in registry.refusal(f"{APP}:v1", nowhere)
    assert {request.url.scheme for request in registry.requests} == {"https"}


def test_a_login_does_not_follow_a_redirect_to_another_host(nowhere):
    docker_config(nowhere, {"auths": {HOST: login("ada", "a")}})

    def elsewhere(request):
        if request.url.host == HOST:
            return httpx2.Response(307, headers={"location": "https://cdn.example.com/manifest"})
        return httpx2.Response(200, headers=SHOWN, content=MANIFEST)

    registry = Registry(elsewhere)
    registry.resolve(f"{APP}:v1", nowhere)
    assert registry.logins == [basic("ada", "a"), None]


# Its answers


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (httpx2.Response(404), "not in the registry: push it first, or check repository and tag"),
        (httpx2.Response(401), "refuses to show it without a login (401): log in"),
        (httpx2.Response(403), "refuses to show it without a login (403): log in"),
        (httpx2.Response(429), "answers 429 without a manifest: try again later"),
        (httpx2.Response(200, headers=SHOWN), "answers 200 without a manifest"),
        (httpx2.Response(200, headers=SHOWN, text="<html>please log in"), "answers 200 without a manifest"),
        (httpx2.Response(200, json=[]), "answers 200 without a manifest"),
        (httpx2.Response(200, content=b"[" * 10_000), "answers 200 without a manifest"),
    ],
)
def test_each_other_answer_is_told_in_one_line(answer, told, nowhere):
    line = Registry(lambda _: answer).refusal(f"{APP}:v1", nowhere)
    assert line.startswith(f"image {APP}:v1: ")
    assert told in line


def test_a_registry_that_does_not_answer_is_told(nowhere):
    def away(_):
        raise httpx2.ConnectTimeout("")

    line = Registry(away).refusal(f"{APP}:v1", nowhere)
    assert f"registry {HOST} does not answer (ConnectTimeout): check its name, its certificate" in line


def test_a_digest_that_is_asked_for_is_the_one_that_is_given(nowhere):
    bare = Registry(lambda _: httpx2.Response(200))
    assert bare.resolve(f"{APP}@{OTHER}", nowhere) == f"{APP}@{OTHER}"


@pytest.mark.parametrize(
    ("reference", "header"),
    [
        (f"{APP}@{OTHER}", DIGEST),  # another image than the one that was approved
        (f"{APP}:v1", OTHER),
        (f"{APP}:v1", "sha256:1"),
        (f"{APP}:v1", f"{DIGEST} --privileged"),
        (f"{APP}:v1", f"md5:{'a' * 32}"),
    ],
)
def test_a_registry_that_shows_another_digest_is_not_believed(reference, header, nowhere):
    lying = Registry(lambda _: httpx2.Response(200, headers={"docker-content-digest": header}, content=MANIFEST))
    assert "another digest than" in lying.refusal(reference, nowhere)


def test_the_digest_of_a_tag_is_that_of_its_bytes_whatever_is_said_of_it(nowhere):
    silent = Registry(lambda _: httpx2.Response(200, content=MANIFEST))
    assert silent.resolve(f"{APP}:v1", nowhere) == f"{APP}@{DIGEST}"


def test_a_manifest_without_end_is_read_no_further_than_manifests_go(nowhere):
    given = 0

    class Endless(httpx2.SyncByteStream):
        def __iter__(self):
            nonlocal given
            while given < 1 << 30:
                given += 1 << 20
                yield b" " * (1 << 20)

    endless = Registry(lambda _: httpx2.Response(200, stream=Endless()))
    assert "answers 200 without a manifest" in endless.refusal(f"{APP}:v1", nowhere)
    assert given < 8 << 20
