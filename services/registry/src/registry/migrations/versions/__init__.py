"""The registry's database revisions."""
