"""Losses that know how near two emotions are."""

from ercfw import Loss, hookimpl
from ercfw_emotion_circle.loss import EmotionCircle


@hookimpl
def provide_losses() -> dict[str, type[Loss]]:
    """The losses of this plugin."""
    return {"emotion-circle": EmotionCircle}
