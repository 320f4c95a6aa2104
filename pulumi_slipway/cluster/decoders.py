"""Makes what decodes the API server's answers before there are threads.

msgspec (0.22, below lightkube) crashes the interpreter where two threads convert a class for the first time: seen as an
engine's "error reading from server: EOF", shown by two dozen lines that do only that. What is made once is safe.
"""

from threading import Lock

import msgspec
from lightkube.models.authentication_v1 import TokenRequest
from lightkube.models.authorization_v1 import SelfSubjectAccessReview, SelfSubjectRulesReview
from lightkube.models.autoscaling_v1 import Scale
from lightkube.models.core_v1 import PodTemplateSpec
from lightkube.models.meta_v1 import Status
from lightkube.resources.apps_v1 import Deployment
from lightkube.resources.autoscaling_v2 import HorizontalPodAutoscaler
from lightkube.resources.batch_v1 import Job
from lightkube.resources.core_v1 import ConfigMap, Namespace, Pod, Secret, Service
from lightkube.resources.discovery_v1 import EndpointSlice
from lightkube.resources.networking_v1 import Ingress, NetworkPolicy
from lightkube.resources.policy_v1 import PodDisruptionBudget

KINDS = (
    *(ConfigMap, Deployment, EndpointSlice, HorizontalPodAutoscaler, Ingress, Job, Namespace, NetworkPolicy, Pod),
    *(
        PodDisruptionBudget,
        PodTemplateSpec,
        Scale,
        Secret,
        SelfSubjectAccessReview,
        SelfSubjectRulesReview,
        Service,
        Status,
    ),
    TokenRequest,
)
"""Whatever is read or written in a thread."""

lock = Lock()
_made: list[object] = []


def make() -> None:
    """Makes them, once; call it with `lock` held."""
    if not _made:
        _made.extend(msgspec.json.Decoder(kind) for kind in KINDS)
