"""The double of Pulumi's GitLab provider, used only where the official plugin cannot be installed."""
