"""Exact neighbours, quality with intervals, latency, memory."""
