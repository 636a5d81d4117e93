"""Alembic's revisions of identity's database."""
