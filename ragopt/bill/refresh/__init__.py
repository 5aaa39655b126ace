"""Renewing the price book from public price pages that need no key: one file per API, one for each step between."""
