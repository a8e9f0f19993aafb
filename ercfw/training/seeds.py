"""Seed every random number generator."""

import torch


def seed_everything(*entropy: int) -> None:
    """Seed torch from several numbers, such as seed, epoch and process, so that no generator must be saved."""
    import numpy as np

    torch.manual_seed(int(np.random.SeedSequence(entropy).generate_state(1, np.uint64)[0] >> 1))
