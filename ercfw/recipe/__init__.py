"""Read recipes: TOML files, their variants and overrides, and their typed form."""
