"""A release that uses a password which another resource of the program has: here a Secret that is there already."""

import base64

import pulumi
import pulumi_kubernetes as kubernetes

from pulumi_slipway import Environment, EnvironmentArgs, Rolling, RollingArgs

config = pulumi.Config()
namespace = config.require("namespace")


class Database(pulumi.ComponentResource):
    """Stands for yours: it has an address, and a password that nobody else is to read."""

    def __init__(self, name: str) -> None:
        super().__init__("example:index:Database", name)
        stored = kubernetes.core.v1.Secret(
            f"{name}-login",
            metadata={"namespace": namespace},
            string_data={"password": config.require_secret("password")},
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.host = stored.metadata.name.apply(lambda called: f"{called}.{namespace}.svc")
        self.password = stored.data["password"].apply(lambda it: base64.b64decode(it).decode())
        self.register_outputs({"host": self.host})


database = Database("orders")
shop = Environment("shop", EnvironmentArgs(namespace=namespace, image_pull_secret=config.get("pullSecret")))
web = Rolling(
    "web",
    RollingArgs(
        environment=shop,
        image=config.require("image"),
        replicas=1,
        probe={"path": "/healthz"},
        env={"DATABASE_HOST": database.host},
        secret_env={"DATABASE_PASSWORD": database.password},
    ),
)
pulumi.export("url", web.url)
pulumi.export("phase", web.phase)
