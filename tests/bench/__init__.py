"""Benchmarks: workloads beside a bare baseline, in one run. Ratios hold where times drift."""
