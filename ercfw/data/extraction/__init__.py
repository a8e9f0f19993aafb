"""Features from raw text, sound and pictures, made by workers and cached."""
