"""Results of finished runs: read, compared and put into tables."""
