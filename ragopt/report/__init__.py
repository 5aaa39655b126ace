"""A finished run as a page, pictures and text: drawing only."""
