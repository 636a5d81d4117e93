"""Cells: where user code runs, apart from everything else. Nothing here imports grpc."""
