"""Replay a query log: which caches a service should have, how large, what they save and what they risk."""
