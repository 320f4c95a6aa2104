"""The keys of Slipway's labels and annotations: the API of what runs already, so none of them changes."""

PREFIX = "slipway.dev/"

RELEASE_LABEL = "slipway.dev/release"
"""Of a pod: which release it runs, by its id; as an annotation of a ledger: which one is live."""
TRACK_LABEL = "slipway.dev/track"
"""Of a pod, and part of a Deployment's selector: which track it belongs to."""
POOL_LABEL = "slipway.dev/pool"
"""Of a pod, selected by Services: stable and canary share one pool, blue and green have one each."""
ENVIRONMENT_LABEL = "slipway.dev/environment"
"""Of every object: whose it is."""
CHECK_LABEL = "slipway.dev/check"
"""Of a Job: which check it is."""
ACCOUNT_LABEL = "slipway.dev/token-of"
"""Of a Secret that a token is bound to: the account."""

CONTAINER = "slipway.dev/container"
"""Annotation of a pod template from a source: which container has the workload's image; else it is the first."""
CONFIGS = "slipway.dev/holds"
"""Annotation of a pod template from a source: the ConfigMaps and Secrets that are kept as long as it may run."""
OBSERVED = "slipway.dev/observed"
"""Annotation: what was observed of the object that a run was to mend; a change of it updates the object."""
PROVENANCE = "slipway.dev/by-"
"""Beginning of the annotations that tell of the run that made an object what it is: commit, pipeline, job, actor."""
RELEASES = "slipway.dev/releases"
"""Annotation of a Deployment: the hashes of the releases that its workload's ledger may name (release/bound.py)."""
RUNS = "slipway.dev/image"
"""Annotation with the image, by its digest, of the release that the object was written for."""

STACK = "slipway.dev/stack"
"""Annotation of a ledger: the stack, as `<project>/<name>`, that the workload belongs to."""
PAUSED = "slipway.dev/paused"
"""Annotation of a ledger: the release that waits to be promoted."""
PROMOTES = "slipway.dev/promotes-from"
"""Annotation of a ledger: environment, namespace and seconds of `promoteFrom`, so that `status` knows them."""

LEFT = "slipway-preview-"
"""Beginning of a ConfigMap's name, a stack's after it: what each deployment leaves for previews (pipeline/snapshot.py).

Its annotations `by-commit` and `image` say for which commit which images were deployed, with commas between."""

JOBS = "slipway-jobs"
"""Name of the ConfigMap with the jobs that are at work in a namespace (pipeline/jobs.py)."""

LIFETIME_ANNOTATION = "slipway.dev/token-lifetime"
"""Of a token's Secret: seconds from issue to expiry, as asked of the API server."""
EXPIRES_ANNOTATION = "slipway.dev/expires-at"
"""The same moment for people; it is not read back."""

INSTANCE = "app.kubernetes.io/instance"
"""Kubernetes' label that says which workload an object belongs to."""

PROTECTION = "slipway:index:DestroyProtection"
"""Type token of the resource at which a destroy of a whole environment stops."""
