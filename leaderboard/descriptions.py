"""What the methods that come with ELUE do, in three sentences each, for their cards."""

from __future__ import annotations

DESCRIPTIONS = {
    "static": (
        "The encoder is cut after a number of layers and gets a head of its own there. Every sample takes the same way "
        "through it. Its depths make the reference curve that all scores are taken against."
    ),
    "elasticbert": (
        "A classifier stands after every layer, and all are trained together. A sample leaves at the first one that is "
        "sure enough, by the entropy of its answer or because several in a row agree. Easy inputs use few layers."
    ),
    "ltp": (
        "After each layer's attention a token is dropped for good when the attention it received is below that layer's "
        "learned threshold. Thresholds are learned with soft masks and then made hard. Long inputs with little "
        "evidence lose most tokens."
    ),
    "switch": (
        "Feed-forward layers are replaced by several experts, and a router sends each token to one of them. A sample "
        "touches only the experts its tokens chose. Capacity limits how many tokens an expert takes."
    ),
    "cascadebert": (
        "A shallow and a full model stand one behind the other, both complete. The second runs only when the first is "
        "not confident enough. Training with a margin by difficulty keeps that confidence honest."
    ),
    "skiprnn": (
        "A gate beside the recurrent cell says how soon its state is to be updated again. Until then words are passed "
        "over without any computation. The budget term of its training sets how many are read."
    ),
    "skimrnn": (
        "A large cell reads the words that matter, and a small one skims the rest, updating a part of the state alone. "
        "Which of the two takes a word is decided from the word and the state so far. Skimmed words cost a fraction."
    ),
}
