"""Files of weights are hashed once per process, and again when they change."""

import os
from hashlib import sha256

from ercfw_media import packaged


def test_a_file_is_hashed_again_only_if_it_changes(tmp_path, monkeypatch):
    hashed = []

    def count(path):
        hashed.append(path)
        return sha256(path.read_bytes()).hexdigest()

    monkeypatch.setattr(packaged, "sha256", count)
    weights = tmp_path / "model.safetensors"
    weights.write_bytes(b"weights")
    assert [packaged.hash_once(weights) for _ in range(3)] == [sha256(b"weights").hexdigest()] * 3
    assert hashed == [weights]
    weights.write_bytes(b"other weights")
    assert packaged.hash_once(weights) == sha256(b"other weights").hexdigest()
    weights.write_bytes(b"OTHER weights")  # of the same length, as a damaged file is
    os.utime(weights, ns=(0, 1_000_000_000))
    assert packaged.hash_once(weights) == sha256(b"OTHER weights").hexdigest()
    assert len(hashed) == 3
