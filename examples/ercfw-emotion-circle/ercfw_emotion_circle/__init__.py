"""A loss that takes into account how similar two emotions are."""

from ercfw import Loss, hookimpl
from ercfw_emotion_circle.loss import EmotionCircle


@hookimpl
def provide_losses() -> dict[str, type[Loss]]:
    """Return the losses of this plugin by name."""
    return {"emotion-circle": EmotionCircle}
