"""The recipe: a TOML file, its variants and overrides, and its typed form."""
