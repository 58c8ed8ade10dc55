"""A plugin that fails while it is imported."""

raise ZeroDivisionError("at import")
