"""Training: the loop, its state, checkpoints and the protocol."""
