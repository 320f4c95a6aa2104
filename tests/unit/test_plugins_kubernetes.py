"""The kubernetes double: what it calls a difference, a replacement, the same quantity, a finished rollout."""

import threading

import pytest
import urllib3
from hypothesis import given
from hypothesis import strategies as st

from sandbox.plugins.kubernetes.api import ApiError
from sandbox.plugins.kubernetes.diff import Change, differences
from sandbox.plugins.kubernetes.field_managers import owns, takeover_patch
from sandbox.plugins.kubernetes.immutable import immutable_fields
from sandbox.plugins.kubernetes.kubeconfig import KubeconfigError, load
from sandbox.plugins.kubernetes.objects import mark_secrets, normalised, pruned
from sandbox.plugins.kubernetes.quantity import canonical
from sandbox.plugins.kubernetes.waiting import Patience, Unfinished, await_ready, condition_for
from sandbox.plugins.properties import UNKNOWN, Secret

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text("ab.", max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab.", max_size=2), inner, max_size=3),
    max_leaves=12,
)
OBJECTS = st.dictionaries(st.text("ab", max_size=2), JSON, max_size=4)


def changes(old, new, **kind):
    mutable = {"secrets_mutable": False, "config_maps_mutable": False}
    patterns = immutable_fields(kind, **mutable) if kind else []
    return {each.property_path: (each.change.name, each.replaces) for each in differences(old, new, patterns)}


def test_a_changed_an_added_and_a_removed_field_are_told_apart_with_their_paths():
    old = {"spec": {"replicas": 2, "paused": True, "containers": [{"image": "a"}, {"image": "b"}]}}
    new = {"spec": {"replicas": 3, "minReadySeconds": 5, "containers": [{"image": "c"}]}}
    assert changes(old, new) == {
        "spec.replicas": ("UPDATE", False),
        "spec.minReadySeconds": ("ADD", False),
        "spec.paused": ("DELETE", False),
        "spec.containers[0].image": ("UPDATE", False),
        "spec.containers[1]": ("DELETE", False),
    }


def test_a_key_with_a_dot_is_quoted_in_its_path():
    assert list(changes({"labels": {}}, {"labels": {"a.b/c": "d"}})) == ['labels["a.b/c"]']


@given(OBJECTS)
def test_an_object_has_no_difference_to_itself(item):
    assert differences(item, item) == []


@given(OBJECTS, OBJECTS)
def test_two_objects_without_a_difference_say_the_same_apart_from_empty_fields(old, new):
    def without_empty(value):
        if isinstance(value, dict):
            cleaned = {key: without_empty(inner) for key, inner in value.items()}
            return {key: inner for key, inner in cleaned.items() if inner not in (None, {}, [], "")}
        return [without_empty(each) for each in value] if isinstance(value, list) else value

    if not differences(old, new):
        assert without_empty(old) == without_empty(new)


def test_true_is_not_one():
    assert changes({"a": 1}, {"a": True}) == {"a": ("UPDATE", False)}


def test_a_value_that_only_the_update_knows_is_a_difference():
    assert [each.change for each in differences({"a": "b"}, {"a": UNKNOWN})] == [Change.UPDATE]


@pytest.mark.parametrize(
    ("api_version", "kind", "old", "new", "path"),
    [
        ("apps/v1", "Deployment", {"spec": {"selector": {"matchLabels": {"a": "b"}}}},
         {"spec": {"selector": {"matchLabels": {"a": "c"}}}}, "spec.selector.matchLabels.a"),
        ("v1", "Service", {"spec": {"clusterIP": "10.0.0.1"}}, {"spec": {"clusterIP": "None"}}, "spec.clusterIP"),
        ("v1", "Secret", {"type": "Opaque"}, {"type": "kubernetes.io/tls"}, "type"),
        ("v1", "Secret", {"data": {"a": "b"}}, {"data": {"a": "c"}}, "data.a"),
        ("v1", "ConfigMap", {"data": {"a": "b"}}, {"data": {"a": "c"}}, "data.a"),
        ("rbac.authorization.k8s.io/v1", "RoleBinding", {"roleRef": {"name": "a"}}, {"roleRef": {"name": "b"}},
         "roleRef.name"),
        ("batch/v1", "Job", {"spec": {"template": {"a": 1}}}, {"spec": {"template": {"a": 2}}}, "spec.template.a"),
        ("batch/v1", "Job", {}, {"spec": {"template": {"a": 2}}}, "spec"),
        ("v1", "Pod", {"spec": {"containers": [{"image": "a"}]}}, {"spec": {"containers": [{"image": "b"}]}},
         "spec.containers[0].image"),
        ("v1", "ConfigMap", {"metadata": {"name": "a"}}, {"metadata": {"name": "b"}}, "metadata.name"),
    ],
)  # fmt: skip
def test_an_immutable_field_means_a_replacement(api_version, kind, old, new, path):
    assert changes(old, new, apiVersion=api_version, kind=kind)[path][1]


@pytest.mark.parametrize(
    ("api_version", "kind", "old", "new"),
    [
        ("apps/v1", "Deployment", {"spec": {"replicas": 1}}, {"spec": {"replicas": 2}}),
        ("v1", "Service", {"spec": {"selector": {"a": "b"}}}, {"spec": {"selector": {"a": "c"}}}),
        ("v1", "ConfigMap", {"metadata": {"labels": {"a": "b"}}}, {"metadata": {"labels": {"a": "c"}}}),
        ("example.com/v1", "Secret", {"data": {"a": "b"}}, {"data": {"a": "c"}}),
    ],
)
def test_any_other_field_changes_in_place(api_version, kind, old, new):
    assert [replaces for _, replaces in changes(old, new, apiVersion=api_version, kind=kind).values()] == [False]


def test_data_is_mutable_where_the_provider_says_so_unless_the_object_is_frozen():
    item = {"apiVersion": "v1", "kind": "ConfigMap"}
    assert ("data",) not in immutable_fields(item, secrets_mutable=False, config_maps_mutable=True)
    frozen = item | {"immutable": True}
    assert ("data",) in immutable_fields(frozen, secrets_mutable=False, config_maps_mutable=True)


@pytest.mark.parametrize(
    ("given_", "wanted"),
    [
        ("1000m", "1"), ("0.5", "500m"), ("100m", "100m"), (2, "2"), (0.1, "100m"), ("1024Mi", "1Gi"),
        ("1024Ki", "1Mi"), ("1.5Gi", "1536Mi"), ("128Mi", "128Mi"), ("1000", "1k"), ("0", "0"), ("1e3", "1e3"),
        ("0Mi", "0"), ("-1", "-1"), ("not one", "not one"), (True, True), (None, None),
    ],
)  # fmt: skip
def test_quantities_have_one_spelling(given_, wanted):
    assert canonical(given_) == wanted


@given(st.integers(0, 10**12), st.sampled_from(["", "m", "k", "M", "Ki", "Mi", "Gi"]))
def test_a_canonical_quantity_is_its_own_canonical_form(number, suffix):
    once = canonical(f"{number}{suffix}")
    assert canonical(once) == once


def test_a_field_that_says_nothing_is_dropped_and_an_empty_one_that_does_is_kept():
    volumes = [{"name": "v", "emptyDir": {}}]
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"labels": {}},
        "spec": {"nodeName": None, "volumes": volumes},
    }
    assert normalised(pod) == {"apiVersion": "v1", "kind": "Pod", "metadata": {}, "spec": {"volumes": volumes}}
    network = {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "spec": {"podSelector": {}}}
    assert normalised(network) == network


def test_string_data_is_compared_as_the_data_it_becomes():
    secret = {"apiVersion": "v1", "kind": "Secret", "data": {"b": "dw=="}, "stringData": {"a": "v"}}
    assert normalised(secret)["data"] == {"a": "dg==", "b": "dw=="}
    assert "stringData" not in normalised(secret)


def test_what_the_server_filled_in_is_left_out_of_the_comparison():
    live = {"spec": {"replicas": 1, "strategy": {}, "list": [{"a": 1, "b": 2}, {"a": 3}]}, "status": {}}
    assert pruned(live, {"spec": {"replicas": 9, "list": [{"a": 0}]}}) == {"spec": {"replicas": 1, "list": [{"a": 1}]}}


def test_all_data_of_a_secret_is_secret_and_elsewhere_what_the_program_says():
    secret = mark_secrets({"kind": "Secret", "data": {"a": "b"}}, {})
    assert isinstance(secret["data"], Secret)
    plain = mark_secrets({"kind": "ConfigMap", "data": {"a": "b", "c": "d"}}, {"data": {"a": Secret("b"), "c": "d"}})
    assert isinstance(plain["data"]["a"], Secret)
    assert plain["data"]["c"] == "d"


def managed(manager, operation, fields):
    return {"manager": manager, "operation": operation, "fieldsV1": fields}


def test_what_a_plain_create_owns_goes_to_the_resources_own_manager():
    live = {
        "metadata": {
            "resourceVersion": "7",
            "managedFields": [
                managed("pulumi-kubernetes", "Update", {"f:data": {"f:a": {}}}),
                managed("ours", "Apply", {"f:data": {"f:b": {}}}),
                managed("someone", "Update", {"f:x": {}}),
            ],
        }
    }
    entries = takeover_patch(live, "ours")[0]["value"]
    assert [(each["manager"], each["operation"]) for each in entries] == [("someone", "Update"), ("ours", "Apply")]
    assert entries[1]["fieldsV1"] == {"f:data": {"f:a": {}, "f:b": {}}}
    assert takeover_patch({"metadata": {"managedFields": entries}}, "ours") == []


def test_what_a_person_changed_with_kubectl_is_taken_back_but_not_a_controllers_or_a_scaling():
    entries = [
        managed("kubectl-label", "Update", {"f:metadata": {}}),
        managed("kubectl", "Update", {"f:spec": {}}) | {"subresource": "scale"},
        managed("kube-controller-manager", "Update", {"f:status": {}}),
    ]
    patched = takeover_patch({"metadata": {"managedFields": entries}}, "ours")[0]["value"]
    assert [each["manager"] for each in patched] == ["kubectl", "kube-controller-manager", "ours"]


def test_a_field_of_another_manager_is_known_as_such():
    live = {"metadata": {"managedFields": [managed("hpa", "Update", {"f:spec": {"f:replicas": {}}})]}}
    assert owns(live, "ours", ["spec", "replicas"]) == (False, True)
    assert owns(live, "ours", ["spec", "paused"]) == (False, False)


def rollout(observed=2, replicas=3, updated=3, available=3, reason="NewReplicaSetAvailable"):
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "d", "generation": 2},
        "spec": {"replicas": 3},
        "status": {
            "observedGeneration": observed,
            "replicas": replicas,
            "updatedReplicas": updated,
            "availableReplicas": available,
            "conditions": [
                {"type": "Progressing", "status": "True", "reason": reason},
                {"type": "Available", "status": "True"},
            ],
        },
    }


@pytest.mark.parametrize(
    "unfinished",
    [{"observed": 1}, {"updated": 1}, {"available": 2}, {"replicas": 4}, {"reason": "ReplicaSetUpdated"}],
)
def test_a_deployment_is_awaited_until_its_last_replica_is_updated_and_available(unfinished):
    condition = condition_for(rollout())
    assert condition is not None
    assert condition(None, rollout()).done
    assert not condition(None, rollout(**unfinished)).done


class Answers:
    """An API server that gives these answers in turn."""

    def __init__(self, *answers):
        self.answers = list(answers)

    def path_of(self, item):
        return f"/{item['metadata']['name']}"

    def call(self, method, path, **query):
        assert (method, path) == ("GET", "/d")
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


def patience(told, timeout=5.0):
    return Patience(timeout, threading.Event(), told.append)


def test_waiting_goes_on_through_a_server_that_is_away_and_tells_how_far_it_is():
    told = []
    api = Answers(urllib3.exceptions.ProtocolError("gone"), ApiError(503, {}), rollout(available=2), rollout())
    assert await_ready(api, {}, rollout(available=1), patience(told)) == rollout()
    assert told[0] == "Waiting for app ReplicaSet to be available (1/3 Pods available)"
    assert told[-1] == ""


def test_an_object_that_may_not_be_read_is_unfinished_and_not_unmade():
    refused = ApiError(403, {"message": "forbidden"})
    with pytest.raises(Unfinished, match="forbidden") as unfinished:
        await_ready(Answers(refused), {}, rollout(available=1), patience([]))
    assert unfinished.value.live == rollout(available=1)


def test_a_cancelled_wait_ends_at_once_with_what_is_missing():
    waits = patience([])
    waits.cancelled.set()
    with pytest.raises(Unfinished, match="cancelled") as unfinished:
        await_ready(Answers(), {}, rollout(available=1), waits)
    assert unfinished.value.reasons


def test_skip_await_waits_for_nothing():
    skipped = {"metadata": {"annotations": {"pulumi.com/skipAwait": "true"}}}
    assert await_ready(Answers(), skipped, rollout(available=0), patience([])) == rollout(available=0)


KUBECONFIG = """
apiVersion: v1
kind: Config
clusters: [{name: a, cluster: {server: "https://a:1/"}}, {name: b, cluster: {server: "https://b:1"}}]
users: [{name: u, user: {token: t}}]
contexts: [{name: one, context: {cluster: a, user: u, namespace: n}}, {name: two, context: {cluster: b, user: u}}]
current-context: one
"""


def test_a_kubeconfig_is_read_from_text_and_from_a_file_alike(tmp_path):
    (tmp_path / "config").write_text(KUBECONFIG)
    assert load(KUBECONFIG) == load(str(tmp_path / "config"))
    assert (load(KUBECONFIG).server, load(KUBECONFIG).namespace) == ("https://a:1", "n")
    assert (load(KUBECONFIG, "two").server, load(KUBECONFIG, "two").namespace) == ("https://b:1", "default")


@pytest.mark.parametrize(
    ("text", "context", "message"),
    [
        ("nonsense", None, "neither a file nor the text"),
        (KUBECONFIG, "three", 'context "three" does not exist'),
        ("a: [", None, "no YAML"),
        (KUBECONFIG.replace("cluster: b", "cluster: z"), "two", '"z"'),
    ],
)
def test_a_kubeconfig_that_names_no_cluster_is_refused(text, context, message):
    with pytest.raises(KubeconfigError, match=message):
        load(text, context)
