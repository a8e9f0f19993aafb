"""What finished runs say: read again, compared, and put into tables."""
