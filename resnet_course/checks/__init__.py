"""Checks of exercises that say what is wrong, for chapters and assignments: ``checks.basic_block(MyBlock)``.

A check compares a learner's answer with a reference on random inputs, in float64 and with gradients. If it differs, it
is compared with the well-known wrong answers, and the one that it equals is named. Each check shows its result at once
and returns it. What is handed in is contained: an exception, an endless loop, a huge allocation or `sys.exit` costs
points and not the notebook.
"""

from .blocks import basic_block, bottleneck, depth, identity_start, resnet, zero_padding
from .contain import Outcome, contained
from .convolution import conv_macs, conv_parameters, convolution_by_hand, output_size, receptive_field
from .loop import accuracy, cosine, evaluate, precision, resume, schedule, train_epoch
from .names import yours
from .numbers import both, numbers, when_graded
from .pipeline import augmentation, batches, normalize, split, statistics
from .probe import behavior, draw, probe
from .report import Finding, Report, Result, forget, report
from .study import difference, interval, mean, runs, standard_deviation, verdict
from .variant import Variant, variant

__all__ = [
    "Finding",
    "Outcome",
    "Report",
    "Result",
    "Variant",
    "accuracy",
    "augmentation",
    "basic_block",
    "batches",
    "behavior",
    "both",
    "bottleneck",
    "contained",
    "conv_macs",
    "conv_parameters",
    "convolution_by_hand",
    "cosine",
    "depth",
    "difference",
    "draw",
    "evaluate",
    "forget",
    "identity_start",
    "interval",
    "mean",
    "normalize",
    "numbers",
    "output_size",
    "precision",
    "probe",
    "receptive_field",
    "report",
    "resnet",
    "resume",
    "runs",
    "schedule",
    "split",
    "standard_deviation",
    "statistics",
    "train_epoch",
    "variant",
    "verdict",
    "when_graded",
    "yours",
    "zero_padding",
]
