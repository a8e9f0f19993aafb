"""Feature files of other projects: brought in to the feature store, and handed out."""
