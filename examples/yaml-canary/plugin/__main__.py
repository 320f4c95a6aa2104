"""Slipway's components for programs in other languages."""

from pulumi_slipway import serve

serve()
