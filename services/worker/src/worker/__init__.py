"""Runs user code in cells and reports to the engine."""
