"""The `gitlab` provider's double: a table of resource types, mapped to GitLab's REST API."""
