"""DialogueRNN: the context, its equations as they read, and the fast way."""

from ercfw_basics.dialogue_rnn.context import DialogueRNN

__all__ = ["DialogueRNN"]
