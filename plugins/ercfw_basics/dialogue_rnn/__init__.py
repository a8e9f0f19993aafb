"""DialogueRNN: the context, a plain version that follows the equations, and a fast version."""

from ercfw_basics.dialogue_rnn.context import DialogueRNN

__all__ = ["DialogueRNN"]
