"""Runs, steps, events and artifacts: durable execution."""
