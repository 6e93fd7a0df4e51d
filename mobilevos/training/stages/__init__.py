"""The stages of training. Each says what it needs, which clips it draws, and what it minimises; the rest is shared."""

from mobilevos.training.schema import QAT
from mobilevos.training.stages.distill import DistillStage
from mobilevos.training.stages.qat import QatStage
from mobilevos.training.stages.stage import Stage
from mobilevos.training.stages.static import StaticStage
from mobilevos.training.stages.student import StudentStage
from mobilevos.training.stages.teacher import TeacherStage

__all__ = ["STAGES", "Stage"]

STAGES: dict[str, Stage] = {
    "static": StaticStage(),
    "teacher": TeacherStage(),
    "student": StudentStage(),
    "distill": DistillStage(),
    QAT: QatStage(),
}
"""By the name that `stage=` gives."""
