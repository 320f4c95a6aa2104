"""The ready queries of check kind `prometheus`.

They need the standard HTTP metrics, `http_requests_total` with a label `code` and the histogram
`http_request_duration_seconds`, and the pods' own labels on the series as every usual setup gives them (Prometheus'
`labelmap` of `__meta_kubernetes_pod_label_(.+)`, the operator's `podTargetLabels`, sandbox/discovery.py): `namespace`,
`slipway_dev_track`, `slipway_dev_release` (a hash of the pods' whole template, so of one workload; a source's pods need
not have `app.kubernetes.io/instance`). A track that is not labelled has no such label
on its series, which is what `slipway_dev_track=""` selects.
"""

from pulumi_slipway.settings.types import duration_text

PODS = 'namespace="{{namespace}}",slipway_dev_track="{{track}}",slipway_dev_release="{{release}}"'


def query(preset: str, window: int) -> str:
    """The preset's PromQL over so many seconds, with placeholders."""
    over = f"[{duration_text(window)}]"
    if preset == "success-rate":
        # Without any 5xx there is no such series, which is a rate of 0; without any request the result is NaN or empty.
        bad = f'(sum(rate(http_requests_total{{{PODS},code=~"5.."}}{over})) or vector(0))'
        return f"1 - {bad} / sum(rate(http_requests_total{{{PODS}}}{over}))"
    buckets = f"rate(http_request_duration_seconds_bucket{{{PODS}}}{over})"
    return f"histogram_quantile(0.95, sum by (le) ({buckets}))"
