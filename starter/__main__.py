"""A stack builds what its file, Pulumi.<stack>.yaml, names."""

from pulumi_slipway import run

run()
