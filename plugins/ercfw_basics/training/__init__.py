"""Optimisers, schedules, samplers and callbacks."""
