"""`make bench`: the same work side by side with kubectl, Helm and a bare Pulumi program, in one run."""
