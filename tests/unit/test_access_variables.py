"""Which variables GitLab gets, and the kubeconfig among them: pure functions of the settings."""

import base64

import yaml
from hypothesis import given
from hypothesis import strategies as st

from pulumi_slipway.access.kubeconfig import Cluster, Context, kubeconfig
from pulumi_slipway.access.variables import planned
from pulumi_slipway.settings import Access

names = st.from_regex(r"[a-z]([-a-z0-9]{0,20}[a-z0-9])?", fullmatch=True)
tokens = st.text(st.sampled_from("abcXYZ019-_."), min_size=8, max_size=60)


def access(**environments):
    return Access.model_validate({"gitlab": {"project": "demo/app"}, "environments": environments})


@given(st.dictionaries(names, tokens, min_size=1, max_size=4), st.none() | st.text(min_size=1))
def test_a_kubeconfig_is_one_line_without_a_blank_that_yaml_reads(found, pem):
    contexts = [Context(name, f"ns-{name}", token) for name, token in found.items()]
    text = kubeconfig(Cluster("https://k8s.example.com:6443", pem), contexts)
    assert not any(character.isspace() for character in text)
    config = yaml.safe_load(text)
    assert config["current-context"] == next(iter(found))
    assert {user["name"]: user["user"]["token"] for user in config["users"]} == found
    assert {c["name"]: c["context"]["namespace"] for c in config["contexts"]} == {n: f"ns-{n}" for n in found}
    cluster = config["clusters"][0]["cluster"]
    assert "insecure-skip-tls-verify" not in cluster
    if pem:
        assert base64.b64decode(cluster["certificate-authority-data"]).decode() == pem


@given(st.dictionaries(names, st.tuples(st.sampled_from(["a", "b/*", "*"]), st.booleans()), min_size=1, max_size=5))
def test_gitlab_is_never_given_one_key_twice_in_a_scope_and_what_can_write_is_protected(chosen):
    wanted = list(
        planned(
            access(**{name: {"scope": scope, "preview": preview} for name, (scope, preview) in chosen.items()}),
            has_ca=True,
        )
    )
    keys = [(variable.key, variable.scope) for variable in wanted]
    assert len(keys) == len(set(keys))
    for variable in wanted:
        assert variable.protected or "PREVIEW" in variable.key
        # Nothing of an environment is seen outside its own scope.
        assert {chosen[name][0] for name in variable.environments} == {variable.scope}
        if "TOKEN" in variable.key or variable.file:
            assert variable.masked


def test_without_a_ca_of_its_own_the_cluster_has_no_ca_variable():
    assert "KUBE_CA_PEM" not in {variable.key for variable in planned(access(staging={}), has_ca=False)}
