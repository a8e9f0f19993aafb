"""The network that a recipe composes, and its weighted losses."""
