"""Turn the names in a recipe into the objects that plugins offer."""
