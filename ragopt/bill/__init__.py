"""Workload and dated prices in, a monthly bill out."""
