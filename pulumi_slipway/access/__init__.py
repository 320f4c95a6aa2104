"""What the access stack decides, without Pulumi: rights, when a token is renewed, which variables GitLab gets."""
