"""Faults on the whole stack under load, and what has to hold after them."""
