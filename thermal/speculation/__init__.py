"""Guessing the next cell while the workers still compute: predictors, groups, and how often they are right."""

from thermal.speculation.accuracy import Accuracy, measure_accuracy
from thermal.speculation.groups import contiguous_groups
from thermal.speculation.predictors import PREDICTORS, Predictor, make_predictor

__all__ = [
    "PREDICTORS",
    "Accuracy",
    "Predictor",
    "contiguous_groups",
    "make_predictor",
    "measure_accuracy",
]
