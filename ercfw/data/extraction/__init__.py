"""Extract features from raw text, sound and pictures: in worker processes, with a cache."""
