"""`python -m audit.verify`: checks an export of the action log offline, with nothing but a pinned key.

It needs Python, `cryptography` and this package: no database, no network, no other part of the suite.
"""
