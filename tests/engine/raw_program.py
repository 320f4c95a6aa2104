"""A Pulumi program that declares whatever Kubernetes objects `objects.json` beside it lists: a test's input is data.

`{"provider": {…}, "objects": [{"name": …, "object": {…}, "options": {"ignore": […], "timeout": "5s"}}]}`
"""

import json
from pathlib import Path
from typing import Any

import pulumi
import pulumi_kubernetes as kubernetes

wanted = json.loads(Path("objects.json").read_text())
provider = kubernetes.Provider("provider", **wanted["provider"])


def value(given: Any) -> Any:
    """`{"$secret": …}` becomes a secret."""
    if isinstance(given, dict):
        return pulumi.Output.secret(given["$secret"]) if "$secret" in given else {k: value(v) for k, v in given.items()}
    return [value(each) for each in given] if isinstance(given, list) else given


for entry in wanted["objects"]:
    item, options = entry["object"], entry["options"]
    seconds = options.get("timeout")
    timeouts = pulumi.CustomTimeouts(create=seconds, update=seconds, delete=seconds) if seconds else None
    version = "core/v1" if item["apiVersion"] == "v1" else item["apiVersion"]
    pulumi.CustomResource(
        f"kubernetes:{version}:{item['kind']}",
        entry["name"],
        value(item),
        pulumi.ResourceOptions(provider=provider, ignore_changes=options.get("ignore"), custom_timeouts=timeouts),
    )
