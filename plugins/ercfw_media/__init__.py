"""Raw text, sound and picture to features, and language models that are trained along."""

from ercfw import hookimpl
from ercfw.contract.interfaces import Encoder, Extractor
from ercfw_media.face_expression import FaceExpression
from ercfw_media.language_model import LanguageModel
from ercfw_media.minilm import MiniLm
from ercfw_media.opensmile import OpenSmile
from ercfw_media.roberta import Roberta
from ercfw_media.tokens import Tokens
from ercfw_media.whisper import Whisper


@hookimpl
def provide_extractors() -> dict[str, type[Extractor]]:
    """The extractors by name."""
    return {
        "minilm": MiniLm,
        "roberta": Roberta,
        "tokens": Tokens,
        "opensmile": OpenSmile,
        "whisper": Whisper,
        "face-expression": FaceExpression,
    }


@hookimpl
def provide_encoders() -> dict[str, type[Encoder]]:
    """The encoders by name."""
    return {"language-model": LanguageModel}
