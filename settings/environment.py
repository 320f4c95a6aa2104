"""Settings of the environment that a stack deploys to."""

from pydantic import Field

from settings.checks import Address
from settings.types import DnsLabel, DnsName, Labels, Model


class Environment(Model):
    """Where this stack's workloads live. The access stack has made the namespace and its pull secret."""

    name: DnsLabel
    """The environment, as in `slipway:access.environments`; it is a label on every object."""
    namespace: DnsLabel = Field(default_factory=lambda data: data.get("name", ""), validate_default=False)
    """Namespace in the cluster. Default: `name`."""
    image_pull_secret: DnsName | None = None
    """Secret to pull images with; the access stack makes `gitlab-registry`. Default null: images are public."""
    prometheus: Address | None = None
    """Where checks ask Prometheus, as the job reaches it: "http://prometheus.monitoring:9090". Default null: each check
    says it itself."""
    labels: Labels = Field(default_factory=dict)
    """Labels for every object of the environment. Default: none."""
