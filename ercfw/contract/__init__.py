"""What plugins implement and what they receive. Import the names from ``ercfw``."""
