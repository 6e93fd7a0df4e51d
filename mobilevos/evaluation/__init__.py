"""Region similarity J and boundary accuracy F by the protocols of DAVIS and YouTube-VOS. Needs no torch."""

from mobilevos.evaluation.folder import Dataset, score_folder
from mobilevos.evaluation.metrics import Statistics, boundary_f, region_similarity, statistics
from mobilevos.evaluation.report import score_table
from mobilevos.evaluation.scorer import SequenceScorer, score_sequence
from mobilevos.evaluation.scores import CategoryScore, DatasetScore, ObjectScore, SequenceScore

__all__ = [
    "CategoryScore",
    "Dataset",
    "DatasetScore",
    "ObjectScore",
    "SequenceScore",
    "SequenceScorer",
    "Statistics",
    "boundary_f",
    "region_similarity",
    "score_folder",
    "score_sequence",
    "score_table",
    "statistics",
]
