"""What GitLab is told: variables for the jobs, protected branches and tags, environments."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi
import pulumi_gitlab as gitlab

from pulumi_slipway.access.variables import Variable
from pulumi_slipway.components.log import Log
from pulumi_slipway.gitlab import api_url
from pulumi_slipway.preflight.gitlab import MARK, Project
from pulumi_slipway.settings import Access


@dataclass
class GitLabProjectArgs:
    """What is written into a project."""

    access: Access
    project: Project
    values: Sequence[tuple[Variable, pulumi.Input[str]]]


class GitLabProject(pulumi.ComponentResource):
    """A project's variables, protections and environments."""

    variables: Mapping[tuple[str, str], gitlab.ProjectVariable]
    """By key and scope."""

    def __init__(self, name: str, args: GitLabProjectArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("slipway:index:GitLabProject", name, None, opts)
        assert args.access.gitlab is not None  # noqa: S101  the caller builds this only then
        project = str(args.project.id)
        # The token stays in GITLAB_TOKEN, where the provider reads it: so it is in no state, and a stack whose token
        # has been replaced can still be destroyed.
        provider = gitlab.Provider(f"{name}-provider", base_url=api_url(), opts=pulumi.ResourceOptions(parent=self))
        child = pulumi.ResourceOptions(parent=self, provider=provider)

        self.variables = {
            (variable.key, variable.scope): gitlab.ProjectVariable(
                f"{name}-{variable.scope}-{variable.key}",
                project=project,
                key=variable.key,
                value=pulumi.Output.secret(value) if variable.masked else value,
                variable_type="file" if variable.file else "env_var",
                environment_scope=variable.scope,
                masked=variable.masked,
                protected=variable.protected,
                raw=True,  # else GitLab expands a `$` in a value, and can mask fewer of them
                description=MARK,
                opts=child,
            )
            for variable, value in args.values
        }
        for branch in dict.fromkeys(
            b for environment in args.access.environments.values() for b in environment.branches
        ):
            gitlab.BranchProtection(
                f"{name}-branch-{branch}",
                project=project,
                branch=branch,
                allow_force_push=False,
                # No access levels: GitLab's default is Maintainer for both, and of the two forms to say so the provider
                # takes one on a Community and the other on an Enterprise edition (GitLab.com). GitLab protects the
                # default branch by itself: the provider takes that over, and a destroy leaves it as found, protected.
                opts=pulumi.ResourceOptions(
                    parent=self, provider=provider, retain_on_delete=branch == args.project.default_branch
                ),
            )
        for task, cron in args.access.gitlab.schedules.items():
            schedule = gitlab.PipelineSchedule(
                f"{name}-schedule-{task}",
                project=project,
                description=f"{task} ({MARK})",
                ref=f"refs/heads/{args.project.default_branch}",
                cron=cron,
                opts=child,
            )
            gitlab.PipelineScheduleVariable(
                f"{name}-schedule-{task}-variable",
                project=project,
                pipeline_schedule_id=schedule.pipeline_schedule_id,
                key="SLIPWAY_SCHEDULE",
                value=task,
                opts=child,
            )
        for tag in args.access.gitlab.protected_tags:
            gitlab.TagProtection(
                f"{name}-tag-{tag}", project=project, tag=tag, create_access_level="maintainer", opts=child
            )
        for environment in args.access.environments.values():
            if "*" in environment.scope:  # a pattern for many environments, which the pipeline makes
                continue
            if args.project.environments.get(environment.scope) is False:
                Log(self).info(
                    f"GitLab has an environment {environment.scope} already, made by a pipeline or by hand: it is left "
                    "as it is, with its deployments; tier and url are not set"
                )
                continue
            made = gitlab.ProjectEnvironment(
                f"{name}-environment-{environment.scope}",
                project=project,
                name=environment.scope,
                description=MARK,
                tier=environment.tier,
                external_url=environment.url,
                stop_before_destroy=True,  # GitLab deletes only what is stopped
                opts=child,
            )
            if args.access.gitlab.protected_environments:
                gitlab.ProjectProtectedEnvironment(
                    f"{name}-protected-{environment.scope}",
                    project=project,
                    environment=made.name,
                    deploy_access_levels_attributes=[{"access_level": "maintainer"}],
                    opts=child,
                )
        self.register_outputs({"project": args.project.path})
