"""Plants scores of 40 videos, and computes with scikit-learn what is to be measured of them.

    pip install scikit-learn==1.9.1 && python tests/measure/figures.py

Writes scores.csv and figures.json beside this file, which tests/measure/main.rs holds against
src/measure/. Both are checked in; this is run again only when a figure is added.
"""

import csv
import json
from pathlib import Path

import numpy as np
from scipy.stats import binomtest
from sklearn.calibration import calibration_curve
from sklearn.isotonic import IsotonicRegression
from sklearn.metrics import (
    average_precision_score,
    balanced_accuracy_score,
    brier_score_loss,
    log_loss,
    roc_auc_score,
    roc_curve,
)

HERE = Path(__file__).parent
THRESHOLD = 0.55
BINS = 15


def plant():
    """Rows of file, label, group, track and score: two decimals, so that there are ties."""
    random = np.random.default_rng(11)
    for n in range(40):
        label = "fake" if n % 2 else "real"
        group = ["phone", "studio"][n // 2 % 2]
        middle = random.normal(0.8 if label == "fake" else -0.8, 1.2)
        for track in range(1 + n % 2):
            for _ in range(3 + n % 4):
                score = 1 / (1 + np.exp(-middle - random.normal(0, 0.7)))
                yield f"{n:02}.mp4", label, group, track, round(float(np.clip(score, 0.01, 0.99)), 2)


def equal_error(fpr, tpr):
    """Where the ROC, its points joined by lines, crosses fpr = 1 - tpr."""
    gap = fpr - (1 - tpr)
    after = int(np.argmax(gap >= 0))
    part = -gap[after - 1] / (gap[after] - gap[after - 1])
    return fpr[after - 1] + part * (fpr[after] - fpr[after - 1])


def figures(labels, scores):
    labels, scores = np.array(labels), np.array(scores)
    fpr, tpr, _ = roc_curve(labels, scores, drop_intermediate=False)
    # Both classes weigh the same, whatever their number.
    balanced = np.where(labels == 1, 0.5 / labels.sum(), 0.5 / (1 - labels).sum())
    proportions, means = calibration_curve(labels, scores, n_bins=BINS, strategy="uniform")
    edges = np.linspace(0, 1, BINS + 1)
    counts = np.bincount(np.searchsorted(edges[1:-1], scores), minlength=BINS)
    counts = counts[counts > 0]
    best = IsotonicRegression(y_min=0, y_max=1).fit(scores, labels, balanced).predict(scores)
    wrong = np.finfo(float).tiny
    cost = np.where(labels == 1, np.log2(np.maximum(best, wrong)), np.log2(np.maximum(1 - best, wrong)))
    return {
        "auc": roc_auc_score(labels, scores),
        "average-precision": average_precision_score(labels, scores),
        "equal-error-rate": equal_error(fpr, tpr),
        "tpr-at-fpr-1e-2": tpr[fpr <= 1e-2].max(),
        "tpr-at-fpr-1e-3": tpr[fpr <= 1e-3].max(),
        "balanced-accuracy": balanced_accuracy_score(labels, scores > THRESHOLD),
        "brier": brier_score_loss(labels, scores),
        "expected-calibration-error": float(np.sum(counts * np.abs(proportions - means)) / len(scores)),
        "cllr": log_loss(labels, scores, sample_weight=balanced) / np.log(2),
        "min-cllr": float(-np.sum(balanced * cost)),
    }


def main():
    rows = list(plant())
    with open(HERE / "scores.csv", "w", newline="") as out:
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(["file", "label", "group", "track", "score"])
        writer.writerows(rows)
    tracks, label_of = {}, {}
    for file, label, _, track, score in rows:
        tracks.setdefault((file, track), []).append(score)
        label_of[file] = int(label == "fake")
    means = {key: float(np.mean(scores)) for key, scores in tracks.items()}
    videos = {}
    for (file, _), mean in means.items():
        videos[file] = max(videos.get(file, 0), mean)
    found = {
        "threshold": THRESHOLD,
        "clips": figures([label_of[row[0]] for row in rows], [row[4] for row in rows]),
        "tracks": figures([label_of[file] for file, _ in means], list(means.values())),
        "videos": figures([label_of[file] for file in videos], list(videos.values())),
        "wilson": [
            [k, n, *binomtest(k, n).proportion_ci(method="wilson")] for k, n in [(0, 100), (1, 10), (5, 10), (10, 10)]
        ],
    }
    (HERE / "figures.json").write_text(json.dumps(found, indent=1) + "\n")


main()
