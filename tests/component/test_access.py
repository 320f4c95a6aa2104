"""What the access stack asks the engine for: asserted on the wiring, with the engine mocked."""

import base64
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from pulumi_slipway.access.generation import Generation
from pulumi_slipway.access.kubeconfig import Cluster
from pulumi_slipway.access.observe import Facts
from pulumi_slipway.components.access import Access, AccessArgs
from pulumi_slipway.preflight.gitlab import Project
from pulumi_slipway.settings import Access as Settings

NOW = datetime(2026, 11, 24, 3, 0, 0, tzinfo=UTC)
CA = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"
TOKENS = {"gitlab-deploy": "deploy.token.abc", "gitlab-preview": "preview.token.abc"}
PROJECT = Project(id=7, path="demo/app", default_branch="main", variables={}, environments={})
ENVIRONMENTS = {
    "staging": {"branches": ["develop"], "tier": "staging", "url": "https://staging.example.com"},
    "production": {
        "branches": ["main"], "tier": "production", "preview": False,
        "variables": {"DATABASE_URL": "postgres://user:hunter22@db/app"},
    },
}  # fmt: skip


@pytest.fixture(scope="module")
def build(record):
    """Builds the stack with these settings; what is built alike is built once, nothing in a test changes it."""
    built = {}

    def run(tokens=None, can_guard=True, project=PROJECT, **settings):
        key = repr((tokens, can_guard, project, settings))
        if key not in built:
            built[key] = build_it(tokens, can_guard, project, settings)
        return built[key]

    def build_it(tokens, can_guard, project, settings):
        chosen = Settings.model_validate(
            {"gitlab": {"project": "demo/app", "protectedTags": ["v*"]}, "environments": ENVIRONMENTS, **settings}
        )
        facts = Facts(
            Cluster("https://k8s.example.com", CA), tokens or {}, project if chosen.gitlab else None, can_guard
        )

        def answers(type_, _name, inputs):
            if type_ == "pulumi-python:dynamic/slipway:Token":
                return {"token": TOKENS[inputs["account"]] + "." + inputs["namespace"], "problem": ""}
            return {}

        return record(lambda: Access("access", AccessArgs(chosen, facts, NOW)) and None, answers)

    with pytest.MonkeyPatch.context() as environ:
        environ.setenv("GITLAB_BASE_URL", "https://gitlab.example.com/api/v4/")
        environ.setenv("GITLAB_TOKEN", "glpat-planted")
        yield run


def variables(recording, scope):
    return {r.inputs["key"]: r for r in recording.of("ProjectVariable") if r.inputs["environmentScope"] == scope}


def test_a_namespace_enforces_the_restricted_standard_and_has_a_quota(build):
    found = build(environments={"staging": {"quota": {"cpu": "3", "memory": "2Gi", "pods": 9}}})
    labels = found.one("Namespace").inputs["metadata"]["labels"]
    for mode in ("enforce", "warn", "audit"):
        assert labels[f"pod-security.kubernetes.io/{mode}"] == "restricted"
        assert labels[f"pod-security.kubernetes.io/{mode}-version"] == "latest"
    assert labels["app.kubernetes.io/managed-by"] == "slipway"
    assert labels["slipway.dev/environment"] == "staging"
    assert found.one("ResourceQuota").inputs["spec"]["hard"] == {
        "limits.cpu": "3", "limits.memory": "2Gi", "pods": "9",
    }  # fmt: skip
    assert found.one("LimitRange").inputs["spec"]["limits"][0]["default"] == {"cpu": "500m", "memory": "512Mi"}


def test_the_deploy_role_has_the_articles_rule_to_the_letter_and_is_bound_to_its_account_alone(build):
    found = build()
    role = found.named("access-staging-gitlab-deploy-role").inputs
    assert role["metadata"]["name"] == "gitlab-deploy-role"
    assert role["metadata"]["namespace"] == "staging"
    assert role["rules"][0] == {
        "apiGroups": ["", "apps", "extensions"],
        "resources": ["deployments", "services", "pods", "configmaps", "secrets"],
        "verbs": ["get", "list", "watch", "create", "update", "patch", "delete"],
    }
    binding = found.named("access-staging-gitlab-deploy-binding").inputs
    assert binding["roleRef"]["kind"] == "Role"
    assert binding["roleRef"]["name"] == "gitlab-deploy-role"
    assert binding["subjects"] == [{"kind": "ServiceAccount", "name": "gitlab-deploy", "namespace": "staging"}]


@pytest.mark.parametrize("account", ["gitlab-deploy", "gitlab-preview"])
def test_no_role_reaches_identities_rights_nodes_or_a_shell(build, account):
    rules = build().named(f"access-staging-{account}-role").inputs["rules"]
    resources = {resource for rule in rules for resource in rule["resources"]}
    assert not resources & {
        "*", "serviceaccounts", "serviceaccounts/token", "roles", "rolebindings", "clusterroles", "clusterrolebindings",
        "pods/exec", "pods/attach", "pods/portforward", "pods/ephemeralcontainers", "nodes", "nodes/proxy",
        "limitranges", "cronjobs", "pods/status", "services/status", "jobs/status",
    }  # fmt: skip
    assert granted(rules, "resourcequotas")["resourcequotas"] == {"get", "list", "watch"}
    verbs = {verb for rule in rules for verb in rule["verbs"]}
    assert not verbs & {"*", "bind", "escalate", "impersonate", "deletecollection"}
    namespaces = [rule for rule in rules if "namespaces" in rule["resources"]]
    assert namespaces == [
        {"apiGroups": [""], "resources": ["namespaces"], "verbs": ["get"], "resourceNames": ["staging"]}
    ]


def granted(rules, *resources):
    """The verbs on each of these resources."""
    return {
        resource: {verb for rule in rules if resource in rule["resources"] for verb in rule["verbs"]}
        for resource in resources
    }


def test_the_deploy_role_reads_pods_through_the_proxy_and_runs_jobs_as_checks_need_and_no_more(build):
    rules = build().named("access-staging-gitlab-deploy-role").inputs["rules"]
    assert granted(rules, "services/proxy", "pods/proxy", "jobs") == {
        "services/proxy": {"get"},
        "pods/proxy": {"get"},
        "jobs": {"get", "list", "watch", "create", "delete"},
    }
    (jobs,) = [rule for rule in rules if "jobs" in rule["resources"]]
    assert (jobs["apiGroups"], jobs["resources"]) == (["batch"], ["jobs"])
    targets = granted(rules, "endpoints", "endpointslices")  # whoever writes these sends the proxy to any address
    assert all(verbs == {"get", "list", "watch"} for verbs in targets.values())


def test_the_preview_role_reads_and_sees_no_secrets_no_logs_and_no_pod_from_within(build):
    rules = build().named("access-staging-gitlab-preview-role").inputs["rules"]
    assert {verb for rule in rules for verb in rule["verbs"]} == {"get", "list", "watch"}
    assert not any(granted(rules, "secrets", "pods/log", "services/proxy", "pods/proxy", "jobs").values())


def test_an_environment_without_preview_has_no_read_only_account(build):
    found = build()
    assert "KUBE_PREVIEW_TOKEN" not in variables(found, "production")
    accounts = [r.inputs["metadata"] for r in found.of("ServiceAccount")]
    assert [(a["namespace"], a["name"]) for a in accounts if a["namespace"] == "production"] == [
        ("production", "gitlab-deploy")
    ]


def test_no_pod_gets_the_token_of_an_account_by_accident(build):
    assert all(r.inputs["automountServiceAccountToken"] is False for r in build().of("ServiceAccount"))


def test_a_token_is_bound_to_a_secret_of_ours_and_comes_after_the_rights(build):
    found = build()
    anchor = found.named("access-staging-gitlab-deploy-token-anchor")
    assert anchor.inputs["metadata"]["name"] == "gitlab-deploy-token-20261124030000"
    assert anchor.inputs["metadata"]["labels"]["slipway.dev/token-of"] == "gitlab-deploy"
    assert anchor.inputs["metadata"]["annotations"]["slipway.dev/expires-at"] == "2027-02-22T03:00:00Z"
    assert "data" not in anchor.inputs
    assert "stringData" not in anchor.inputs
    request = found.named("access-staging-gitlab-deploy-token-request")
    assert request.inputs["secret"] == "gitlab-deploy-token-20261124030000"
    assert request.inputs["uid"] == "access-staging-gitlab-deploy-token-anchor-uid"
    assert request.inputs["lifetime"] == 90 * 86400
    assert request.secret_outputs == ("token",)
    assert "access-staging-gitlab-deploy-token-anchor" in request.depends_on
    assert "access-staging-gitlab-deploy-binding" in anchor.depends_on | request.depends_on
    assert list(request.hooks) == ["after_create"]


def test_a_token_with_time_left_is_kept_and_one_that_is_due_is_replaced(build):
    fresh = Generation("gitlab-deploy", NOW - timedelta(days=1), 90 * 86400)
    due = Generation("gitlab-preview", NOW - timedelta(days=61), 90 * 86400)
    found = build({("staging", "gitlab-deploy"): (fresh,), ("staging", "gitlab-preview"): (due,)})
    names = {r.inputs["metadata"]["name"] for r in found.of("Secret") if r.inputs["metadata"]["namespace"] == "staging"}
    assert names == {fresh.name, "gitlab-preview-token-20261124030000"}


def test_gitlab_gets_the_articles_variables_scoped_protected_and_masked(build):
    found = variables(build(), "staging")
    shapes = {
        key: (r.inputs["protected"], r.inputs["masked"], r.inputs["variableType"], r.inputs["raw"])
        for key, r in found.items()
    }
    assert shapes == {
        "KUBE_URL": (True, False, "env_var", True),
        "KUBE_CA_PEM": (True, False, "env_var", True),
        "KUBE_TOKEN": (True, True, "env_var", True),
        "KUBECONFIG_FILE": (True, True, "file", True),
        "KUBE_PREVIEW_TOKEN": (False, True, "env_var", True),
        "KUBECONFIG_PREVIEW_FILE": (False, True, "file", True),
    }
    assert found["KUBE_URL"].inputs["value"] == "https://k8s.example.com"
    assert found["KUBE_CA_PEM"].inputs["value"] == CA
    assert found["KUBE_TOKEN"].inputs["value"] == "deploy.token.abc.staging"


def test_every_masked_value_is_a_secret_to_the_engine_and_can_be_masked_by_gitlab(build):
    masked = [r for r in build().of("ProjectVariable") if r.inputs["masked"]]
    assert len(masked) == 7
    for variable in masked:
        value = variable.inputs["value"]
        assert "value" in variable.secrets, variable.name
        assert len(value) >= 8
        assert not any(c.isspace() for c in value)


def test_the_kubeconfig_verifies_tls_and_holds_the_environments_own_token(build):
    config = json.loads(variables(build(), "production")["KUBECONFIG_FILE"].inputs["value"])
    assert config["current-context"] == "production"
    cluster = config["clusters"][0]["cluster"]
    assert base64.b64decode(cluster.pop("certificate-authority-data")).decode() == CA
    assert cluster == {"server": "https://k8s.example.com"}
    assert config["users"] == [{"name": "production", "user": {"token": "deploy.token.abc.production"}}]
    assert config["contexts"][0]["context"]["namespace"] == "production"


def test_no_scope_sees_the_token_of_another(build):
    found = build()
    for scope, other in (("staging", "production"), ("production", "staging")):
        assert not [k for k, r in variables(found, scope).items() if f".{other}" in r.inputs["value"]]


def test_an_application_value_is_masked_protected_and_in_its_scope_only(build):
    found = build()
    assert "DATABASE_URL" not in variables(found, "staging")
    variable = variables(found, "production")["DATABASE_URL"]
    assert (variable.inputs["masked"], variable.inputs["protected"]) == (True, True)
    assert variable.secrets == {"value"}


def test_branches_and_tags_are_protected_and_the_default_branch_stays_so_after_a_destroy(build):
    found = build()
    branches = {r.inputs["branch"]: r for r in found.of("BranchProtection")}
    assert {name: r.retained for name, r in branches.items()} == {"develop": False, "main": True}
    assert all(r.inputs["allowForcePush"] is False for r in branches.values())
    assert found.one("TagProtection").inputs["tag"] == "v*"
    assert found.of("ProjectProtectedEnvironment") == []


def test_protected_environments_are_made_where_the_settings_say_that_the_tier_has_them(build):
    found = build(gitlab={"project": "demo/app", "protectedEnvironments": True})
    assert {r.inputs["environment"] for r in found.of("ProjectProtectedEnvironment")} == {"staging", "production"}


def test_environments_are_made_with_tier_and_url_but_not_for_a_pattern(build):
    found = build(environments={**ENVIRONMENTS, "review": {"scope": "review/*"}})
    assert {r.inputs["name"] for r in found.of("ProjectEnvironment")} == {"staging", "production"}
    staging = found.one("ProjectEnvironment", name="staging").inputs
    assert (staging["tier"], staging["externalUrl"]) == ("staging", "https://staging.example.com")
    assert staging["stopBeforeDestroy"] is True
    assert "KUBE_TOKEN" in variables(found, "review/*")


def test_an_environment_that_the_pipeline_has_made_is_left_to_it(build):
    found = build(project=replace(PROJECT, environments={"staging": False, "production": True}))
    assert {r.inputs["name"] for r in found.of("ProjectEnvironment")} == {"production"}
    assert [text for severity, text in found.messages if severity == "info" and "environment staging" in text]


def test_environments_that_share_a_scope_share_a_file_with_a_context_each_and_no_token_alone(build):
    shared = {"blue": {"scope": "review/*"}, "green": {"scope": "review/*", "preview": False}, "production": {}}
    found = build(environments=shared)
    keys = variables(found, "review/*")
    assert "KUBE_TOKEN" not in keys
    assert "KUBE_PREVIEW_TOKEN" not in keys
    config = json.loads(keys["KUBECONFIG_FILE"].inputs["value"])
    assert [c["name"] for c in config["contexts"]] == ["blue", "green"]
    assert config["current-context"] == "blue"
    assert {u["name"]: u["user"]["token"] for u in config["users"]} == {
        "blue": "deploy.token.abc.blue", "green": "deploy.token.abc.green",
    }  # fmt: skip
    preview = json.loads(keys["KUBECONFIG_PREVIEW_FILE"].inputs["value"])
    assert [c["name"] for c in preview["contexts"]] == ["blue"]
    assert "KUBE_TOKEN" in variables(found, "production")
    assert [text for severity, text in found.messages if severity == "info" and "KUBE_TOKEN is left out" in text]


def test_the_gitlab_token_is_no_input_of_anything(build):
    assert not [r.name for r in build().resources if "glpat-planted" in json.dumps(r.inputs, default=str)]


def test_without_gitlab_the_cluster_side_is_built_all_the_same(build):
    found = build(gitlab=None, environments={"staging": {}})
    assert found.of("ProjectVariable") == []
    assert len(found.of("pulumi-python:dynamic/slipway:Token")) == 2


def test_the_pull_secret_is_a_docker_config_and_a_secret_to_the_engine(build):
    found = build(registry={"server": "registry.example.com:5000", "username": "bot", "password": "pull-me-123"})
    secrets = [r for r in found.of("Secret") if r.inputs["metadata"]["name"] == "gitlab-registry"]
    assert {r.inputs["metadata"]["namespace"] for r in secrets} == {"staging", "production"}
    assert secrets[0].inputs["type"] == "kubernetes.io/dockerconfigjson"
    assert "data" in secrets[0].secrets
    config = json.loads(base64.b64decode(secrets[0].inputs["data"][".dockerconfigjson"]))
    entry = config["auths"]["registry.example.com:5000"]
    assert base64.b64decode(entry["auth"]).decode() == "bot:pull-me-123"


def test_cluster_scope_gives_the_articles_cluster_role_to_every_deploy_account_with_a_warning(build):
    found = build(scope="cluster")
    assert found.one("ClusterRole").inputs["metadata"]["name"] == "gitlab-deploy-role"
    binding = found.one("ClusterRoleBinding").inputs
    assert binding["metadata"]["name"] == "gitlab-deploy-binding"
    assert {s["namespace"] for s in binding["subjects"]} == {"staging", "production"}
    assert {r.inputs["metadata"]["name"] for r in found.of("rbac.authorization.k8s.io/v1:Role")} == {
        "gitlab-preview-role"
    }
    assert [text for severity, text in found.messages if severity == "warning" and "every namespace" in text]


def test_all_objects_in_the_cluster_are_labelled_as_ours_and_go_through_the_one_provider(build):
    found = build(scope="cluster", registry={"server": "r.example.com", "username": "bot", "password": "pull-me-123"})
    for r in found.resources:
        if r.type.startswith("kubernetes:"):
            assert r.inputs["metadata"]["labels"]["app.kubernetes.io/managed-by"] == "slipway", r.name
            assert r.inputs["metadata"]["labels"]["slipway.dev/environment"], r.name
            assert r.inputs["metadata"]["annotations"]["pulumi.com/patchFieldManager"] == "slipway", r.name
            assert r.provider == "access-kubernetes", r.name


def test_the_deploy_account_may_not_have_the_cluster_fill_a_secret_with_a_token(build):
    found = build()
    spec = found.named("access-staging-guard-policy").inputs["spec"]
    assert spec["matchConditions"][0]["expression"].endswith("'system:serviceaccount:staging:gitlab-deploy'")
    assert spec["validations"][0]["expression"] == "object.type != 'kubernetes.io/service-account-token'"
    binding = found.named("access-staging-guard-binding").inputs["spec"]
    assert binding == {"policyName": "slipway-staging-no-token-secrets", "validationActions": ["Deny"]}


def test_a_cluster_without_admission_policies_is_warned_of(build):
    found = build(can_guard=False)
    assert found.of("ValidatingAdmissionPolicy") == []
    assert [text for severity, text in found.messages if severity == "warning" and "never expires" in text]
