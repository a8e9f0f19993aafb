"""Trained models on new data."""

from ercfw.predict.trained_model import TrainedModel, load

__all__ = ["TrainedModel", "load"]
