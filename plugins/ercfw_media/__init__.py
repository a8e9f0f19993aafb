"""Extractors that turn raw text, sound and pictures into features, and language models to be fine-tuned."""

from ercfw import Encoder, Extractor, hookimpl
from ercfw_media.clips import read_sound
from ercfw_media.face_expression import FaceExpression
from ercfw_media.face_extractor import FaceExtractor, FaceReader, Follow, identity_of_speakers
from ercfw_media.face_identity import FaceIdentity
from ercfw_media.faces import Face, FaceCrops, FaceDetector, Frame, Pool, Which, cut_out, face_crops, pool
from ercfw_media.language_model import LanguageModel
from ercfw_media.minilm import MiniLm
from ercfw_media.mpnet import Mpnet
from ercfw_media.opensmile import OpenSmile
from ercfw_media.packaged import installed
from ercfw_media.prosody import Prosody
from ercfw_media.roberta import Roberta
from ercfw_media.speaker_embedding import SpeakerEmbedding
from ercfw_media.tokens import Tokens
from ercfw_media.whisper import Whisper

__all__ = [
    "Face",
    "FaceCrops",
    "FaceDetector",
    "FaceExtractor",
    "FaceReader",
    "Follow",
    "Frame",
    "Pool",
    "Which",
    "cut_out",
    "face_crops",
    "identity_of_speakers",
    "installed",
    "pool",
    "read_sound",
]
"""Names that other plugins may import; recipes name the parts."""


@hookimpl
def provide_extractors() -> dict[str, type[Extractor]]:
    """Return the extractors by name."""
    return {
        "minilm": MiniLm,
        "mpnet": Mpnet,
        "roberta": Roberta,
        "tokens": Tokens,
        "opensmile": OpenSmile,
        "whisper": Whisper,
        "prosody": Prosody,
        "speaker-embedding": SpeakerEmbedding,
        "face-expression": FaceExpression,
        "face-identity": FaceIdentity,
    }


@hookimpl
def provide_encoders() -> dict[str, type[Encoder]]:
    """Return the encoders by name."""
    return {"language-model": LanguageModel}
