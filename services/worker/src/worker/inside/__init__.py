"""What runs inside a cell: only the standard library, never imported by the worker's own process."""
