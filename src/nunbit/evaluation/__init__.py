"""Benchmarks: reading their data, asking models, extracting and scoring answers, reports and comparisons."""
