"""The deploy identity of a job, made as GitLab makes it: from the project's stored variables."""

import os
from pathlib import Path

import gitlab

from sandbox.gitlab.job_variables import variables_for_job


def job_environment(environment: str, directory: Path) -> dict[str, str]:
    """The variables of a job on a protected branch that deploys to `environment`; its kubeconfig in a 0600 file.

    What an administrator has is taken out: no GitLab token, no administrator's kubeconfig.
    """
    url = os.environ["GITLAB_BASE_URL"].removesuffix("/").removesuffix("/api/v4")
    project = gitlab.Gitlab(url, private_token=os.environ["GITLAB_TOKEN"]).projects.get("demo/app")
    stored = [variable.attributes for variable in project.variables.list(get_all=True)]
    env = {key: value for key, value in os.environ.items() if key not in ("GITLAB_TOKEN", "KUBECONFIG")}
    for key, variable in variables_for_job(stored, environment, ref_protected=True).items():
        env[key] = variable["value"]
        if variable["variable_type"] == "file":
            path = directory / f"{environment}-{key}"
            path.touch(mode=0o600)
            path.write_text(variable["value"])
            env[key] = str(path)
    env["KUBECONFIG"] = env["KUBECONFIG_FILE"]
    return env
