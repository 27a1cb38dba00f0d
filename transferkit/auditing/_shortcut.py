"""The shortcut probe: can the classes be told apart by facts of the files, without looking at the pictures?

If the pictures of each class have another size, format or brightness, a model may learn just that, and an
evaluation on a test from the same source does not reveal it. So a small model is trained on the facts alone.
Whatever it can tell, a network may learn, too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from transferkit.auditing._evidence import Evidence
from transferkit.auditing._findings import SEVERITIES, Check, Finding, count, fine, share
from transferkit.auditing._looks import FILE_NUMBERS, LIGHT_NUMBERS, WORDS
from transferkit.metrics import Figure, classification_figures

Floats = NDArray[np.float64]
Column = tuple[str, Floats]

_FOLDS = 5
_MOST_ROWS = 3000  # rows that the probe learns from; more do not change the result
_KINDS = 8  # most frequent values of a word that are distinguished
_FINDS, _WARNS, _ERRS = 0.6, 0.7, 0.9  # AUC, the lower end of its interval
_NAMED = 0.05  # AUC above chance from which on a fact is named
_SHOWN = 6  # largest number of facts that are named
_ENOUGH = 10  # fewest images for a meaningful accuracy


@dataclass(frozen=True)
class Probe:
    """How well a model of facts alone predicts the classes of images that it has not seen.

    Attributes
    ----------
    facts : tuple of str
        Facts that it was trained on.
    balanced_accuracy : Figure
        Mean sensitivity of the classes; by chance, 1 / number of classes.
    auc : dict of label to Figure
        AUC of each class against all others; of two classes, that of the second.
    apart : dict of label to (label, Figure)
        Another class, and the AUC between the two: this class is told apart at least that well from half of
        the other classes. (Its AUC against all others together is high as soon as one of them is different.)
    by_fact : dict of label to list of (str, float)
        AUC of each fact by itself, largest first.
    predicted : ndarray, shape (n,)
        Predicted classes of the rows of the shortcut.
    """

    facts: tuple[str, ...]
    balanced_accuracy: Figure
    auc: dict[Any, Figure]
    apart: dict[Any, tuple[Any, Figure]]
    by_fact: dict[Any, list[tuple[str, float]]]
    predicted: NDArray[Any]


@dataclass(frozen=True)
class Shortcut:
    """How well the classes can be told apart by facts of the files.

    Attributes
    ----------
    files : Probe
        Probe of size, aspect, format, mode and quality, which have nothing to do with the subject.
    light : Probe
        Probe of brightness, contrast, saturation, border, sharpness and bytes per pixel, which may belong to
        the subject.
    rows : ndarray of int64, shape (n,)
        Training images that the probes were evaluated on.
    classes : ndarray
        All labels.
    misled : dict of label to (int, float)
        For each class, the number of images for which the facts of the file suggest another class, and the
        accuracy on these of models of the pictures that have not seen them (NaN if there are none): what is
        left of the accuracy without the shortcut. Empty if there are no such models.
    """

    files: Probe
    light: Probe
    rows: NDArray[np.int64]
    classes: NDArray[Any]
    misled: dict[Any, tuple[int, float]]


def probe_shortcut(evidence: Evidence) -> Shortcut | None:
    """Return how well facts predict the classes; None if it cannot be measured."""
    if evidence.data.classes is None or _why_not(evidence):
        return None
    rows = _rows(evidence)
    y, groups = np.array(evidence.data.labels)[rows], evidence.groups[rows]
    folds = _folds(y, groups, evidence.seed)
    numbers, words = evidence.looks.numbers, evidence.looks.words
    columns = [(name, numbers[name][rows, None]) for name in FILE_NUMBERS]
    columns += [(name, _one_hot(words[name][rows])) for name in WORDS]
    files = _probe(columns, y, folds, groups, evidence)
    light = _probe([(name, numbers[name][rows, None]) for name in LIGHT_NUMBERS], y, folds, groups, evidence)
    return Shortcut(files, light, rows, np.unique(y), _misled(evidence, files, rows, y))


def _rows(evidence: Evidence) -> NDArray[np.int64]:
    """Return the images to evaluate on: those of classes with at least as many images as folds."""
    rows = evidence.train
    if len(rows) > _MOST_ROWS:
        rows = np.sort(np.random.default_rng(evidence.seed).permutation(rows)[:_MOST_ROWS])
    labels = np.array(evidence.data.labels[: evidence.data.n_train])[rows]
    names, counts = np.unique(labels, return_counts=True)
    return rows[np.isin(labels, names[counts >= _FOLDS])]


def _why_not(evidence: Evidence) -> str:
    """Describe why nothing can be measured; empty if it can."""
    rows = _rows(evidence)
    if len({evidence.data.labels[row] for row in rows}) < 2:
        return f"Fewer than two classes have {_FOLDS} images"
    n_groups = len(np.unique(evidence.groups[rows]))
    if n_groups < _FOLDS:
        return f"Groups are held out whole, {_FOLDS} at least, and there are {count(n_groups, 'group')}"
    return ""


def _probe(columns: Sequence[Column], y: NDArray[Any], folds: Any, groups: Any, evidence: Evidence) -> Probe:
    """Return how well these facts predict the classes, together and each by itself."""
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.tree import DecisionTreeClassifier

    columns = [column for column in columns if _varies(column[1])]
    classes = np.unique(y)
    # Not gradient boosting, whose threads take minutes on a busy machine.
    all_of_them = RandomForestClassifier(
        n_estimators=25, min_samples_leaf=5, class_weight="balanced", random_state=evidence.seed
    )
    one = DecisionTreeClassifier(
        max_depth=4, min_samples_leaf=5, class_weight="balanced", random_state=evidence.seed
    )
    table = np.hstack([column for _, column in columns]) if columns else np.zeros((len(y), 1))
    known = _held_out(all_of_them, table, y, folds)
    predicted = classes[known.argmax(axis=1)]
    options: dict[str, Any] = {"confidence": evidence.confidence, "seed": evidence.seed, "n_resamples": 200}
    figures = classification_figures(y, predicted, known, classes=classes, groups=groups, **options)
    auc = {label: found["auc"] for label, found in figures.by_class.items()}
    auc = auc or {classes[1].item(): figures.whole["auc"]}
    by_fact: dict[Any, list[tuple[str, float]]] = {label: [] for label in auc}
    for name, column in columns:
        alone = _held_out(one, column, y, folds)
        for label in auc:
            by_fact[label].append((name, _auc(alone[:, classes.tolist().index(label)], y == label)))
    for found in by_fact.values():
        found.sort(key=lambda pair: -pair[1])
    apart = {label: _apart(label, classes, known, y, options, groups) for label in auc}
    names = tuple(name for name, _ in columns)
    return Probe(names, figures.whole["balanced_accuracy"], auc, apart, by_fact, predicted)


def _apart(
    label: Any, classes: NDArray[Any], known: Floats, y: NDArray[Any], options: dict[str, Any], groups: Any
) -> tuple[Any, Figure]:
    """Return the class from which this one is told apart with the median AUC, and that AUC."""
    own = classes.tolist().index(label)
    found = []
    for other in range(len(classes)):
        if other != own:
            two = known[:, own] / np.maximum(known[:, own] + known[:, other], 1e-12)
            rows = (y == classes[own]) | (y == classes[other])
            found.append((_auc(two[rows], y[rows] == label), other, rows, two))
    found.sort(key=lambda one: one[:2])
    _, other, rows, two = found[(len(found) - 1) // 2]
    pair = np.stack([1 - two[rows], two[rows]], axis=1)
    both = [classes[other], classes[own]]
    predicted = np.where(two[rows] > 0.5, label, classes[other])
    of_both = classification_figures(
        y[rows], predicted, pair, classes=both, pos_label=label, groups=groups[rows], **options
    )
    return classes[other].item(), of_both.whole["auc"]


def _folds(y: NDArray[Any], groups: NDArray[np.int64], seed: int) -> list[Any]:
    import warnings

    from sklearn.model_selection import StratifiedGroupKFold

    splitter = StratifiedGroupKFold(_FOLDS, shuffle=True, random_state=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # a class with few groups is in few folds
        return list(splitter.split(np.zeros(len(y)), y, groups))


def _held_out(model: Any, table: Floats, y: NDArray[Any], folds: Any) -> Floats:
    """Return probabilities (n, k) of rows by models that have not seen them."""
    classes = np.unique(y)
    out = np.zeros((len(y), len(classes)))
    for train, test in folds:
        if len(np.unique(y[train])) < 2:
            out[np.ix_(test, np.flatnonzero(np.isin(classes, y[train])))] = 1
            continue
        model.fit(table[train], y[train])
        out[np.ix_(test, np.searchsorted(classes, model.classes_))] = model.predict_proba(table[test])
    return out


def _auc(score: Floats, positive: NDArray[np.bool_]) -> float:
    """Return the area under the ROC curve; ties count half."""
    from scipy.stats import rankdata

    n, m = int(positive.sum()), int((~positive).sum())
    return float((rankdata(score)[positive].sum() - n * (n + 1) / 2) / (n * m)) if n and m else 0.5


def _one_hot(words: NDArray[np.str_]) -> Floats:
    names, counts = np.unique(words, return_counts=True)
    return (words[:, None] == names[np.argsort(-counts)][:_KINDS]).astype(np.float64)


def _varies(column: Floats) -> bool:
    known = column[~np.isnan(column).any(axis=1)]
    return len(known) > 0 and (len(known) < len(column) or bool(np.ptp(known, axis=0).any()))


def _misled(
    evidence: Evidence, files: Probe, rows: NDArray[np.int64], y: NDArray[Any]
) -> dict[Any, tuple[int, float]]:
    """Return how accurate models of the pictures are where the facts suggest another class."""
    if evidence.probabilities is None or evidence.data.classes is None:
        return {}
    known = evidence.probabilities[rows]
    judged = ~np.isnan(known[:, 0])
    right = evidence.data.classes[np.where(judged[:, None], known, 0).argmax(axis=1)] == y
    found = {}
    for label in np.unique(y):
        misled = judged & (y == label) & (files.predicted != label)
        n = int(misled.sum())
        found[label.item()] = n, float(right[misled].mean()) if n else float("nan")
    return found


def check_shortcut(evidence: Evidence) -> list[Check]:
    """Return the checks of classes that the files give away, and by which facts."""
    found = evidence.shortcut
    if found is None:
        if evidence.data.kind != "classes":
            return []
        return [fine("shortcut", f"{_why_not(evidence)}: nothing can be measured.")]
    files = _findings(found, found.files, "shortcut", "error")
    light = _findings(found, found.light, "light", "note")
    checks = [_check("shortcut", files, found.files, len(found.classes), _ADVICE + _left(found, files))]
    checks.append(_check("light", light, found.light, len(found.classes), _LIGHT_ADVICE))
    return checks


_ADVICE = "A network sees this too. Give all classes the same sources, or the same size, format and mode."
_LIGHT_ADVICE = "If this is not what makes the class, take pictures of all classes under the same conditions."


def _findings(found: Shortcut, probe: Probe, kind: str, gravest: str) -> tuple[Finding, ...]:
    findings = []
    for label, auc in sorted(probe.auc.items(), key=lambda one: -one[1].value):
        other, of_both = probe.apart[label]
        low = of_both.value if np.isnan(of_both.low) else of_both.low
        if not low > _FINDS:
            continue
        own = "error" if low >= _ERRS else "warning" if low >= _WARNS else "note"
        severity = max(own, gravest, key=SEVERITIES.index)
        facts = [(name, value) for name, value in probe.by_fact[label][:_SHOWN] if value > 0.5 + _NAMED]
        named = ", ".join(f"{name} alone {value:.2f}" for name, value in facts) or "no single fact"
        others = "" if len(found.classes) == 2 else f", of all others {auc.value:.3f}"
        what = f"AUC {of_both} of {label!r} against {other!r}{others}; {named}"
        findings.append(Finding(kind, severity, what, label=label, score=auc.value))
    return tuple(findings)


def _check(kind: str, findings: tuple[Finding, ...], probe: Probe, n_classes: int, advice: str) -> Check:
    facts = {"shortcut": "files", "light": "light"}[kind]
    chance = f"{1 / n_classes:.3f} by chance"
    whole = f"balanced accuracy {probe.balanced_accuracy} by facts of {facts} alone, {chance}"
    if not findings:
        return fine(kind, f"Facts of {facts} tell no class apart: {whole}.")
    severity = min((one.severity for one in findings), key=SEVERITIES.index)
    best = findings[0]
    names = ", ".join(repr(one.label) for one in findings)
    by = ", ".join(name for name, value in probe.by_fact[best.label][:_SHOWN] if value > 0.5 + _NAMED)
    away = f"{best.label!r} is given away by {by or 'several facts together'} (AUC {best.score:.2f})"
    summary = f"{names}: {whole}; {away}."
    return Check(kind, severity, summary, advice, findings)


def _left(found: Shortcut, findings: tuple[Finding, ...]) -> str:
    """Describe how accurate models of the pictures are where the facts mislead."""
    texts = []
    for finding in findings:
        n, right = found.misled.get(finding.label, (0, float("nan")))
        if finding.label not in found.misled:
            continue
        if n < _ENOUGH:
            few = "No image" if n == 0 else f"Only {count(n, 'image')}"
            texts.append(
                f"{few} of {finding.label!r} looks like another class by its file: nobody can say what a "
                "model would be right on without it."
            )
        else:
            texts.append(
                f"Of {finding.label!r}, models of the pictures are right on {share(right, 1)} of the {n:,} "
                "whose file misleads."
            )
    return "".join(f" {text}" for text in texts)
