"""Data source connections, schemas and read-only queries."""
