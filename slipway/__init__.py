"""What a person asks of Slipway outside a run: `python -m slipway status`. Reads the cluster, writes nothing."""
