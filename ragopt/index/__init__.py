"""FAISS factory strings: bytes by formula, train, add, search, save and open."""
