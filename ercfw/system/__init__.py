"""Files, the terminal, signals, processes and validation: what any program needs."""
