"""`make demo`: the program at work on the sandbox, from an empty cluster and an empty GitLab project."""
