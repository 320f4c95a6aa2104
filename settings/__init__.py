"""The settings of a stack and of a run: structured Pulumi config read once into pydantic models.

Reading them from the running program is `settings.load.load`: it alone knows Pulumi, so that what only needs the models
stays free of it.
"""

from settings.access import Access, AccessEnvironment, GitLab, Quota, Registry, Token
from settings.environment import Environment
from settings.mistakes import SettingsError
from settings.run import Action, Run
from settings.stack import Settings, Stack, parse
from settings.strategy import Rolling, Strategy
from settings.workload import (
    Autoscaler,
    FromEnv,
    Ingress,
    NetworkPolicy,
    Probe,
    Resources,
    Service,
    Workload,
)

__all__ = [
    "Access",
    "AccessEnvironment",
    "Action",
    "Autoscaler",
    "Environment",
    "FromEnv",
    "GitLab",
    "Ingress",
    "NetworkPolicy",
    "Probe",
    "Quota",
    "Registry",
    "Resources",
    "Rolling",
    "Run",
    "Service",
    "Settings",
    "SettingsError",
    "Stack",
    "Strategy",
    "Token",
    "Workload",
    "parse",
]
