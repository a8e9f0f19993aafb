"""A corpus looked at before anything is trained on it: what is wrong with it, and its figures."""
