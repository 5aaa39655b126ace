"""Reads back the rows that a chart's marks are drawn from: they lie in its specification as JSON text."""

import json


def rows_of(spec, part=None):
    """The rows of a part of a chart's specification (a layer, a panel), or of the whole chart."""
    part = spec if part is None else part
    # Altair moves data that all parts share to the top.
    data = part.get("data", spec.get("data"))
    return json.loads(data["values"] if "values" in data else spec["datasets"][data["name"]])
