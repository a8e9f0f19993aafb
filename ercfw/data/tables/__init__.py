"""CSV tables of utterances: encodings, columns, ids, times, and the conversations that they make."""
