"""The command `slipway`, and what its `status` shows: it reads the cluster and writes nothing."""
