"""The revisions of the engine's database."""
