"""Documents, chunks, queries and judgements from files."""
