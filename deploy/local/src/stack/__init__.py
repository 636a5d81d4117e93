"""The embedded stack: the production parts, supervised on one machine."""
