"""From a corpus' files to checked conversations and batches."""
