"""What a run leaves behind, and the tables and pictures of it."""
