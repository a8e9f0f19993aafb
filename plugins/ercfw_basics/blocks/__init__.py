"""Building blocks of parts: they register nothing themselves."""
