"""The settings of a stack and of a run: structured Pulumi config read once into pydantic models.

Reading them from the running program is `settings.load.load`: it alone knows Pulumi, so that what only needs the models
stays free of it.
"""

from pulumi_slipway.core.action import Action
from pulumi_slipway.settings.access import Access, AccessEnvironment, GitLab, Quota, Registry, Token
from pulumi_slipway.settings.environment import Environment
from pulumi_slipway.settings.mistakes import SettingsError
from pulumi_slipway.settings.network import Ingress, NetworkPolicy, Service
from pulumi_slipway.settings.pods import Autoscaler, Probe, Resources
from pulumi_slipway.settings.run import Run
from pulumi_slipway.settings.stack import Settings, Stack, parse
from pulumi_slipway.settings.strategy import Rolling, Strategy
from pulumi_slipway.settings.workload import FromEnv, Workload

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
