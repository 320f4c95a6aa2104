"""Roles and token scopes."""

from sandbox.gitlab.store import Record

# docs.gitlab.com/api/access_requests, "Valid access levels".
NO_ACCESS, GUEST, PLANNER, REPORTER, DEVELOPER, MAINTAINER, OWNER, ADMIN = 0, 10, 15, 20, 30, 40, 50, 60
ROLES = (GUEST, PLANNER, REPORTER, DEVELOPER, MAINTAINER, OWNER)

# docs.gitlab.com/user/profile/personal_access_tokens, "Personal access token scopes".
SCOPES = (
    "api", "read_api", "read_user", "read_repository", "write_repository", "read_registry", "write_registry",
    "sudo", "admin_mode", "create_runner", "manage_runner", "ai_features", "k8s_proxy", "self_rotate",
    "read_service_ping",
)  # fmt: skip
# docs.gitlab.com/user/project/settings/project_access_tokens, "Scopes for a project access token".
PROJECT_SCOPES = (
    "api", "read_api", "read_repository", "write_repository", "read_registry", "write_registry",
    "create_runner", "manage_runner", "ai_features", "k8s_proxy", "self_rotate",
)  # fmt: skip


def level_in(project: Record, user: Record) -> int:
    """The user's access level in the project; an administrator counts as owner, a stranger as 0."""
    if user["is_admin"]:
        return OWNER
    level: int = project["members"].get(str(user["id"]), NO_ACCESS)
    return level
