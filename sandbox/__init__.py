"""A real Kubernetes, registry, Prometheus and Pulumi engine on one machine, without Docker or a cloud."""
