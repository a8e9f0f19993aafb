"""The public files of MELD and IEMOCAP, each at one commit and with its git blob id."""

from collections.abc import Mapping

from ercfw import PublicFile

MELD_REPOSITORY = "declare-lab/MELD/2d2011b/data/MELD"
"""Annotations; GPL-3.0."""
MULTIEMO_REPOSITORY = "TaoShi1998/MultiEMO-ACL2023/e96458b870a338890aba4c0549381dec610a7f10/Data"
FOLDER = "public"
"""Subfolder of a corpus' folder for files from other projects."""


def _annotations(blobs: Mapping[str, str]) -> tuple[PublicFile, ...]:
    return tuple(PublicFile(f"{MELD_REPOSITORY}/{name}", blob, name) for name, blob in blobs.items())


def _release(corpus: str, blobs: Mapping[str, str]) -> tuple[PublicFile, ...]:
    return tuple(
        PublicFile(f"{MULTIEMO_REPOSITORY}/{corpus}/{name}", blob, f"{FOLDER}/{name}") for name, blob in blobs.items()
    )


MELD_FILES = _annotations({
    "train_sent_emo.csv": "b91dbd634693608a8e77a00d9256ae9cbb51bc43",
    "dev_sent_emo.csv": "91dd39cd4a10a53eda3c8aaf1955d3eae795ae52",
    "test_sent_emo.csv": "357d4a5f7ec119215622d07ed55fa3cad5d8d4c3",
}) + _release("MELD", {
    "Speakers.pkl": "55873a76e17fa3e054bcc5afc534cd1dde2eb2d8",
    "TextFeatures.pkl": "a0763059fcc8be7ba8236ef38236b099e5d072a1",
    "AudioFeatures.pkl": "d00862d3f7cf2168898c61f8df29ce352ad97256",
    "VisualFeatures.pkl": "278dab61854faf0376ea1c45b95c0193c70163c6",
})  # fmt: skip
IEMOCAP_FILES = _release("IEMOCAP", {
    "Speakers.pkl": "a21501009647eb0774a638ccd123aba6668768cc",
    "TextFeatures.pkl": "dae1ed5cc0241c3f01308107a7ac94d749077f9b",
    "AudioFeatures.pkl": "3940cd53ec7478925284fe7644234b33bab41ea9",
    "VisualFeatures.pkl": "129a9c9428088d62fc625e8538a96ce43e2acd3c",
})  # fmt: skip
