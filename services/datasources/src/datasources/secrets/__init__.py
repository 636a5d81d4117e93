"""Secrets as things of their own: people store them once, versions link them, steps ask for them by name."""
