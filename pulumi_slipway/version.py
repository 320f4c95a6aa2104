"""The version of the package, and so of the tag that releases it and of the CI components (docs/upgrade.md)."""

VERSION = "0.1.0"
