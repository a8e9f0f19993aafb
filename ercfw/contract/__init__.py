"""What plugins implement, and what they are handed."""
