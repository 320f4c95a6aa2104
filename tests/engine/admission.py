"""Lets the API server refuse some writes in a namespace."""

import time

from lightkube import Client
from lightkube.generic_resource import create_global_resource

_GROUP = ("admissionregistration.k8s.io", "v1")
POLICY = create_global_resource(*_GROUP, "ValidatingAdmissionPolicy", "validatingadmissionpolicies")
BINDING = create_global_resource(*_GROUP, "ValidatingAdmissionPolicyBinding", "validatingadmissionpolicybindings")
REFUSED = {
    "a Deployment": ("apps", "deployments", "!object.spec.template.spec.containers.exists(c, c.image == '{image}')"),
    "the ledger": ("", "configmaps", "!has(oldObject.data) || oldObject.data == object.data"),
}
"""What the API server refuses, the first to the provider and the second to a gate."""


class Admission:
    """The policy of one namespace."""

    def __init__(self, admin: Client, namespace: str) -> None:
        self._admin, self._namespace = admin, namespace
        self._there = False

    def refuse(self, what: str, image: str = "", reason: str = "Invalid") -> None:
        """From now on such writes are refused; one that is `Forbidden` a run tries again for 10 s."""
        group, resource, expression = REFUSED[what]
        rule = {"apiGroups": [group], "apiVersions": ["v1"], "operations": ["UPDATE"], "resources": [resource]}
        denied = {"expression": expression.format(image=image), "message": "not today", "reason": reason}
        spec = {
            "matchConstraints": {"resourceRules": [rule]},
            "matchConditions": [{"name": "here", "expression": f"request.namespace == '{self._namespace}'"}],
            "validations": [denied],
        }
        bound = {"policyName": self._namespace, "validationActions": ["Deny"]}
        for kind, given in ((POLICY, spec), (BINDING, bound)):
            self._admin.create(kind.from_dict({"metadata": {"name": self._namespace}, "spec": given}))
        self._there = True
        time.sleep(2)  # until the API server has compiled it

    def allow(self) -> None:
        """They are allowed again."""
        if self._there:
            for kind in (BINDING, POLICY):
                self._admin.delete(kind, self._namespace)
        self._there = False
