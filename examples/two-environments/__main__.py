"""Two environments in one program: staging takes each release at once, production as blue-green."""

import pulumi

from pulumi_slipway import BlueGreenArgs, Environment, EnvironmentArgs, RollingArgs

config = pulumi.Config()
probe = {"path": "/healthz"}
staging = Environment(
    "staging",
    EnvironmentArgs(
        namespace=config.get("staging"),
        image_pull_secret=config.get("pullSecret"),
        workloads={"web": RollingArgs(image=config.require("image"), replicas=1, probe=probe)},
    ),
)
production = Environment(
    "production",
    EnvironmentArgs(
        namespace=config.get("production"),
        image_pull_secret=config.get("pullSecret"),
        workloads={"web": BlueGreenArgs(image=config.require("image"), probe=probe)},
    ),
    pulumi.ResourceOptions(depends_on=[it.committed for it in staging.workloads.values()]),
)
pulumi.export("staging", staging.summary)
pulumi.export("production", production.summary)
