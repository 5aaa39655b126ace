"""Open a built index in a service: search, change, check."""
