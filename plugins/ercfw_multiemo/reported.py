"""The scores in tables 1 to 3 of the paper (Shi and Huang, ACL 2023), in points.

Tables 1 and 2 hold the F1 per class and the weighted F1 of methods, and of MultiEMO without one of its parts. Table 3
holds the weighted F1 of MultiEMO on some of the modalities.

The code of its authors chooses the best epoch on the test split, so the scores belong to the protocol ``release``. "-"
marks scores that the papers quoted in the tables do not report.
"""

from collections.abc import Mapping, Sequence

from ercfw import Quoted

IEMOCAP = """
                          happiness sadness neutral anger excitement frustration weighted-f1
BC-LSTM                   34.43     60.87   51.81   56.73 57.95      58.92       54.95
DialogueRNN               33.18     78.80   59.21   65.28 71.86      58.91       62.75
DialogueGCN               51.87     76.76   56.76   62.26 72.71      58.04       63.16
IterativeERC              53.17     77.19   61.31   61.45 69.23      60.92       64.37
QMNN                      39.71     68.30   55.29   62.58 66.71      62.19       59.88
MMGCN                     42.34     78.67   61.73   69.00 74.33      62.32       66.22
MVN                       55.75     73.30   61.88   65.96 69.50      64.21       65.44
UniMSE                    -         -       -       -     -          -           70.66
MultiEMO_w/o_VisExtNet    65.06     84.80   66.13   67.98 76.16      69.66       71.72
MultiEMO_w/o_MultiAttn    55.18     78.29   62.06   63.84 73.11      63.98       66.57
MultiEMO_w/o_SWFC_loss    59.88     83.96   66.57   67.03 75.35      70.04       71.08
MultiEMO                  65.77     85.49   67.08   69.88 77.31      70.98       72.84
"""
MELD = """
                          neutral surprise fear  sadness joy   disgust anger weighted-f1
BC-LSTM                   73.80   47.70    5.40  25.10   51.30 5.20    38.40 55.90
DialogueRNN               76.23   49.59    0.00  26.33   54.55 0.81    46.76 58.73
DialogueGCN               76.02   46.37    0.98  24.32   53.62 1.22    43.03 57.52
IterativeERC              77.52   53.65    3.31  23.62   56.63 19.38   48.88 60.72
QMNN                      77.00   49.76    0.00  16.50   52.08 0.00    43.17 58.00
MMGCN                     -       -        -     -       -     -       -     58.65
MVN                       76.65   53.18    11.70 21.82   53.62 21.86   42.55 59.03
UniMSE                    -       -        -     -       -     -       -     65.51
MultiEMO_w/o_VisExtNet    79.16   58.22    24.80 37.61   60.65 31.73   52.08 64.89
MultiEMO_w/o_MultiAttn    77.72   54.05    21.76 33.10   58.28 24.80   49.98 62.50
MultiEMO_w/o_SWFC_loss    79.51   56.54    20.59 32.96   58.52 25.81   51.23 63.83
MultiEMO                  79.95   60.98    29.67 41.51   62.82 36.75   54.41 66.74
"""
MODALITIES = {
    ("text",): {"iemocap": 64.48, "meld": 61.23},
    ("audio",): {"iemocap": 38.89, "meld": 33.55},
    ("visual",): {"iemocap": 35.37, "meld": 33.16},
    ("text", "audio"): {"iemocap": 69.18, "meld": 64.21},
    ("text", "visual"): {"iemocap": 67.86, "meld": 63.78},
}
"""Table 3, without its last row: all modalities, which tables 1 and 2 report too."""
FEATURES = {"text": "RoBERTa", "audio": "openSMILE", "visual": "VisExtNet"}
CLASSES = {name: table.split("weighted-f1")[0].split() for name, table in (("iemocap", IEMOCAP), ("meld", MELD))}
UTTERANCES = {"iemocap": 1623, "meld": 2610}


def _read(table: str) -> dict[str, dict[str, float]]:
    header, *rows = (line.split() for line in table.strip().splitlines())
    scored = {name.replace("_", " "): zip(header, points, strict=True) for name, *points in rows}
    return {name: {column: float(x) for column, x in points if x != "-"} for name, points in scored.items()}


def _features(method: str, streams: Sequence[str]) -> str:
    """Return the features of MultiEMO's streams, by modality."""
    without = method == "MultiEMO w/o VisExtNet"
    return ", ".join("another visual encoder" if without and m == "visual" else FEATURES[m] for m in streams)


def _quoted(
    number: int, dataset: str, scores: Mapping[str, Mapping[str, float]], streams: Sequence[str] = tuple(FEATURES)
) -> Quoted:
    """Return scores with what MultiEMO reads; the paper does not say what the methods that it cites read."""
    own = [method for method in scores if method.startswith("MultiEMO")]
    return Quoted(
        f"Shi and Huang, ACL 2023, table {number}",
        dataset,
        "emotion",
        UTTERANCES[dataset],
        "release",
        scores,
        streams=dict.fromkeys(own, streams),
        features={method: _features(method, streams) for method in own},
        classes=CLASSES[dataset],
    )


REPORTED = (_quoted(1, "iemocap", _read(IEMOCAP)), _quoted(2, "meld", _read(MELD)))
BY_MODALITIES = tuple(
    _quoted(3, dataset, {"MultiEMO": {"weighted-f1": points}}, streams)
    for streams, by_dataset in MODALITIES.items()
    for dataset, points in by_dataset.items()
)
"""One table per row and corpus of table 3, because all its rows have the name of the method."""
