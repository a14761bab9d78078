"""What the commands do, for scripts and notebooks: train, check, evaluate, load, score, build.

    from elue import api

    results = api.evaluate("majority.py", api.load_task("diagnostic", limit=100))
    results.runs           # a DataFrame, a row a run; results.samples has a row a sample
    results.plot()         # score against FLOPs
    api.score(api.load("runs")).curves

Methods run in child processes, as ever; this one imports neither torch nor any plugin. User mistakes are raised as
`elue.errors.ElueError`. With more than one process of one's own, call from below `if __name__ == "__main__"`.
"""

from elue.api.defined import save_method
from elue.api.measuring import check, evaluate, find_method, load_task, methods, stream, train, training_log
from elue.api.reading import build_site, load, read_records, score, standing
from elue.api.results import Findings, Results, Scores
from elue.errors import ElueError
from elue.evaluation.request import Progress
from elue.methods.registry import MethodSource
from elue.record.schema import Record
from elue.scores.results import BoardScores
from elue.scores.standing import EditionStanding
from elue.tasks import TaskData

__all__ = [
    "BoardScores",
    "EditionStanding",
    "ElueError",
    "Findings",
    "MethodSource",
    "Progress",
    "Record",
    "Results",
    "Scores",
    "TaskData",
    "build_site",
    "check",
    "evaluate",
    "find_method",
    "load",
    "load_task",
    "methods",
    "read_records",
    "save_method",
    "score",
    "standing",
    "stream",
    "train",
    "training_log",
]
