"""A stand-in for GitLab: the part of its REST API v4 that Slipway, python-gitlab and a pipeline use.

It is a double, not a GitLab: no Git, no runner, no web pages. What it answers and what it refuses follows GitLab 18;
each rule names the page of docs.gitlab.com or the file of gitlab-org/gitlab that it was read from.
"""
