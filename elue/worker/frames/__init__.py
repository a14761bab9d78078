"""Every call that a parent can make of its worker, and every answer, as the dataclass that crosses between them.

A call's class names the worker's function that answers it (`PredictMany`: `predict_many`) and its answer's class.
Either end builds these and decodes into them (see `elue.worker.decoding`): a plugin that has taken its worker over can
send anything. `fault` of a call says where an answer, though of the right shape, is not one to this very call.
"""

from elue.worker.frames.answering import (
    AnswerColumns,
    ClimbLadder,
    Explain,
    News,
    Predict,
    Predicted,
    PredictMany,
    PredictSweep,
    Priced,
    PriceTraces,
    Survey,
    Swept,
    Told,
)
from elue.worker.frames.envelope import CallFrame, Hello, Ready, Reply, Trouble
from elue.worker.frames.loading import (
    Calibrate,
    Configure,
    Configured,
    Describe,
    Described,
    Exercised,
    Load,
    Loaded,
    Offered,
    Open,
    Opened,
    Option,
    Points,
)
from elue.worker.frames.timing import AnswerBare, AnswerEach, Answered, Counted, CountPacks, Ran, RunReference
from elue.worker.frames.words import Call, CallKinds, Offer, Step, answer_of, name_of

__all__ = [
    "AnswerBare",
    "AnswerColumns",
    "AnswerEach",
    "Answered",
    "Calibrate",
    "Call",
    "CallFrame",
    "CallKinds",
    "ClimbLadder",
    "Configure",
    "Configured",
    "CountPacks",
    "Counted",
    "Describe",
    "Described",
    "Exercised",
    "Explain",
    "Hello",
    "Load",
    "Loaded",
    "News",
    "Offer",
    "Offered",
    "Open",
    "Opened",
    "Option",
    "Points",
    "Predict",
    "PredictMany",
    "PredictSweep",
    "Predicted",
    "PriceTraces",
    "Priced",
    "Ran",
    "Ready",
    "Reply",
    "RunReference",
    "Step",
    "Survey",
    "Swept",
    "Told",
    "Trouble",
    "answer_of",
    "name_of",
]
