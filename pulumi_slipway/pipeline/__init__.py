"""What a job of the GitLab pipeline does around `pulumi`: locks, signals, previews, notes, review environments.

The jobs are in templates/; whatever there is more than a few lines of shell is a command here:
`slipway <command>`, run in the directory of the Pulumi project.
"""
