"""Trained models on new data."""

from ercfw.predict.model import TrainedModel, load

__all__ = ["TrainedModel", "load"]
