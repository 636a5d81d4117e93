"""Bundles: components and workflows as one document, written here and taken there.

`writing` makes YAML and `reading` reads it strictly, `exporting` says what is in a bundle, `importing` what becomes of
it.
"""
