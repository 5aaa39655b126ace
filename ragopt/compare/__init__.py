"""Two finished runs side by side: what changed in quality, bytes and bill."""
