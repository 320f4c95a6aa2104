"""Settings of the ways to a workload: its Service, the host name outside, who may come in."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from pulumi_slipway.settings.types import Annotations, DnsLabel, DnsName, HostName, Model, Port, UrlPath, unique


class Service(Model):
    """The Service that others reach the workload by."""

    port: Port = 80
    """Its port. Default 80."""
    type: Literal["ClusterIP", "NodePort", "LoadBalancer"] = "ClusterIP"
    """Type of the Service. Default ClusterIP: nothing outside the cluster reaches it but through an Ingress."""


class Ingress(Model):
    """The way in from outside, for one host. The cluster needs an ingress controller."""

    host: HostName
    """Host name that users ask for; the article: staging.example.com, example.com."""
    path: UrlPath = "/"
    """Beginning of the paths that go to this workload. Default: all."""
    class_name: DnsName | None = None
    """Which controller. Default: the cluster's own default."""
    tls_secret: DnsName | None = None
    """Secret with the certificate. Default null: the controller's own, or none."""
    annotations: Annotations = Field(default_factory=dict)
    """For the controller (cert-manager, nginx …). Default: none."""


class NetworkPolicy(Model):
    """Who may reach the pods, and whom they may reach. The cluster's network plugin must enforce it."""

    allow_from: Annotated[tuple[DnsLabel, ...], AfterValidator(unique)] = ()
    """Namespaces whose pods may reach the port. Default: none, not even the own namespace."""
    egress: Annotated[tuple[DnsLabel, ...], AfterValidator(unique)] | None = None
    """Namespaces that the pods may reach, DNS always with them. Default null: everything."""
