"""Files, the terminal, signals, processes and validation."""
