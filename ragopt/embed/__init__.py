"""Embedders, the vector store, spaces."""
