"""Stand-ins for Pulumi's own plugins, used only where the official ones cannot be installed."""
