"""From names in a recipe to the objects that plugins offer."""
