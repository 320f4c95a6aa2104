"""The `kubernetes` provider's double: generic server-side apply of any kind the API server knows."""
