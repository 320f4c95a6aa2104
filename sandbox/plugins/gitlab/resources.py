"""Resource types of pulumi-gitlab 10.4, each as one entry: where it lives in the API, its fields, what is immutable.

Ids and replacements are those of the Terraform provider behind pulumi-gitlab; the API is docs.gitlab.com/api.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

ACCESS_LEVELS = {"no one": 0, "developer": 30, "maintainer": 40, "admin": 60}
TIERS = ("production", "staging", "testing", "development", "other")
VARIABLE_TYPES = ("env_var", "file")


@dataclass(frozen=True)
class Field:
    """One property of a resource type."""

    api: str = ""
    """The API's name for it. Empty: the provider's own switch, never sent."""
    default: Any = None
    """What is used when a program doesn't say. None: GitLab decides."""
    immutable: bool = False
    allowed: tuple[str, ...] = ()
    level: bool = False
    """An access level: a word here, a number in the API, and in its answers the first of a list."""
    reads_as: str = ""
    """The API's name in answers, where it is another."""


@dataclass(frozen=True)
class ResourceType:
    """How one resource type is created, found, changed and deleted."""

    identity: tuple[str, ...]
    """The properties whose values, joined by `:`, are the resource's id."""
    collection: str
    """The path that takes the POST, with properties in braces."""
    item: str
    fields: Mapping[str, Field]
    computed: Mapping[str, str] = field(default_factory=dict)
    """Outputs that only GitLab knows, and their names in its answers."""
    update: str = "PUT"
    filters: Mapping[str, str] = field(default_factory=dict)
    """Query parameters that pick one among several of the same path."""
    secret: frozenset[str] = frozenset()
    """Outputs that are secret whatever the program says."""
    listed_in: tuple[str, str] = ("", "")
    """For what has no GET of its own: the path that shows it, and under which key its list is there."""


def _variable(owner: str, collection: str) -> ResourceType:
    return ResourceType(
        identity=(owner, "key", "environmentScope"),
        collection=collection,
        item=collection + "/{key}",
        filters={"filter[environment_scope]": "environmentScope"},
        fields={
            owner: Field(immutable=True),
            "key": Field("key", immutable=True),
            "value": Field("value"),
            "variableType": Field("variable_type", "env_var", allowed=VARIABLE_TYPES),
            "protected": Field("protected", False),
            "masked": Field("masked", False),
            "hidden": Field("masked_and_hidden", False, immutable=True, reads_as="hidden"),
            "raw": Field("raw", False),
            "environmentScope": Field("environment_scope", "*", immutable=True),
            "description": Field("description"),
        },
    )


_PROJECT = {"project": Field(immutable=True)}

RESOURCES: dict[str, ResourceType] = {
    "gitlab:index/projectVariable:ProjectVariable": _variable("project", "/projects/{project}/variables"),
    "gitlab:index/groupVariable:GroupVariable": _variable("group", "/groups/{group}/variables"),
    "gitlab:index/branchProtection:BranchProtection": ResourceType(
        identity=("project", "branch"),
        collection="/projects/{project}/protected_branches",
        item="/projects/{project}/protected_branches/{branch}",
        update="PATCH",
        computed={"branchProtectionId": "id"},
        fields=_PROJECT
        | {
            "branch": Field("name", immutable=True),
            "allowForcePush": Field("allow_force_push", False),
            "codeOwnerApprovalRequired": Field("code_owner_approval_required", False),
            "pushAccessLevel": Field("push_access_level", level=True, immutable=True, reads_as="push_access_levels"),
            "mergeAccessLevel": Field("merge_access_level", level=True, immutable=True, reads_as="merge_access_levels"),
        },
    ),
    "gitlab:index/tagProtection:TagProtection": ResourceType(
        identity=("project", "tag"),
        collection="/projects/{project}/protected_tags",
        item="/projects/{project}/protected_tags/{tag}",
        fields=_PROJECT
        | {
            "tag": Field("name", immutable=True),
            "createAccessLevel": Field(
                "create_access_level", "maintainer", immutable=True, level=True, reads_as="create_access_levels"
            ),
        },
    ),
    "gitlab:index/projectEnvironment:ProjectEnvironment": ResourceType(
        identity=("project", "#id"),
        collection="/projects/{project}/environments",
        item="/projects/{project}/environments/{#id}",
        computed={
            "slug": "slug",
            "state": "state",
            "createdAt": "created_at",
            "updatedAt": "updated_at",
            "autoStopAt": "auto_stop_at",
        },
        fields=_PROJECT
        | {
            "name": Field("name", immutable=True),
            "description": Field("description"),
            "externalUrl": Field("external_url"),
            "tier": Field("tier", allowed=TIERS),
            "kubernetesNamespace": Field("kubernetes_namespace"),
            "fluxResourcePath": Field("flux_resource_path"),
            "autoStopSetting": Field("auto_stop_setting", allowed=("always", "with_action")),
            "stopBeforeDestroy": Field(default=False),
        },
    ),
    "gitlab:index/projectProtectedEnvironment:ProjectProtectedEnvironment": ResourceType(
        identity=("project", "environment"),
        collection="/projects/{project}/protected_environments",
        item="/projects/{project}/protected_environments/{environment}",
        fields=_PROJECT
        | {
            "environment": Field("name", immutable=True),
            "deployAccessLevelsAttributes": Field("deploy_access_levels"),
            "approvalRules": Field("approval_rules"),
        },
    ),
    "gitlab:index/pipelineSchedule:PipelineSchedule": ResourceType(
        identity=("project", "#id"),
        collection="/projects/{project}/pipeline_schedules",
        item="/projects/{project}/pipeline_schedules/{#id}",
        computed={"pipelineScheduleId": "id", "owner": "owner"},
        fields=_PROJECT
        | {
            "description": Field("description"),
            "ref": Field("ref"),
            "cron": Field("cron"),
            "cronTimezone": Field("cron_timezone", "UTC"),
            "active": Field("active", True),
            "takeOwnership": Field(default=False),
        },
    ),
    "gitlab:index/pipelineScheduleVariable:PipelineScheduleVariable": ResourceType(
        identity=("project", "pipelineScheduleId", "key"),
        collection="/projects/{project}/pipeline_schedules/{pipelineScheduleId}/variables",
        item="/projects/{project}/pipeline_schedules/{pipelineScheduleId}/variables/{key}",
        listed_in=("/projects/{project}/pipeline_schedules/{pipelineScheduleId}", "variables"),
        fields=_PROJECT
        | {
            "pipelineScheduleId": Field(immutable=True),
            "key": Field("key", immutable=True),
            "value": Field("value"),
            "variableType": Field("variable_type", "env_var", allowed=VARIABLE_TYPES),
        },
    ),
    "gitlab:index/projectDeployToken:ProjectDeployToken": ResourceType(
        identity=("project", "#id"),
        collection="/projects/{project}/deploy_tokens",
        item="/projects/{project}/deploy_tokens/{#id}",
        computed={"token": "token", "expired": "expired", "revoked": "revoked"},
        secret=frozenset({"token"}),
        fields=_PROJECT
        | {
            "name": Field("name", immutable=True),
            "scopes": Field("scopes", immutable=True),
            "username": Field("username", immutable=True),
            "expiresAt": Field("expires_at", immutable=True),
            "validatePastExpirationDate": Field(),
        },
    ),
}
"""By type token, as it stands in the engine's requests."""
