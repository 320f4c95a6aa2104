"""A canary in a program of your own: `pulumi config set image …`, `pulumi up`."""

import pulumi

from pulumi_slipway import Canary, CanaryArgs, Environment, EnvironmentArgs

config = pulumi.Config()
shop = Environment(
    "shop", EnvironmentArgs(namespace=config.get("namespace"), image_pull_secret=config.get("pullSecret"))
)
web = Canary(
    "web",
    CanaryArgs(
        environment=shop,
        image=config.require("image"),
        replicas=4,
        probe={"path": "/healthz"},
        steps=[{"weight": 25, "pause": "2s"}, {"weight": 50, "pause": "2s"}],
        step_checks=[],
    ),
)
pulumi.export("url", web.url)
pulumi.export("release", web.release)
pulumi.export("phase", web.phase)
