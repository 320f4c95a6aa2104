"""Slipway: from GitLab to Kubernetes. A stack builds what its file names (components/stack.py)."""

from pulumi_slipway import run

run()
