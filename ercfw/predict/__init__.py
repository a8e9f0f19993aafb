"""Prediction of new data with trained models."""

from ercfw.predict.trained_model import TrainedModel, load

__all__ = ["TrainedModel", "load"]
