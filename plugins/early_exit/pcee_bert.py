"""PCEE-BERT: leave once several exits in a row are sure, whether or not they agree.

Zhang Z. et al., "PCEE-BERT: Accelerating BERT Inference via Patient and Confident Early Exiting", Findings of NAACL
2022. Exits and training are PABEE's; a sample leaves after t consecutive exits whose entropy over ln C is under a
threshold. So the earliest exit is t, and t of 1 is FastBERT's rule on these weights.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from elue.plugins.early_exit.pabee import Pabee


class PceeBert(Pabee):
    """PABEE's training with confident patience.

    The leaver answers, as is the release's default; it can also average over the streak. The sweep is t of 1 to 3 with
    thresholds spread over compute, where the release sets t of 2 and nine thresholds.
    """

    name = "pcee_bert"
    title = "PCEE-BERT: several sure exits in a row"
    paper = "Zhang et al. 2022, PCEE-BERT, https://aclanthology.org/2022.findings-naacl.25"
    summary = (
        "Classifiers after every layer share a pooler, and deeper ones weigh more in training. A sample leaves once "
        "several in a row are sure of their answer, even if of different ones. It saves the layers above."
    )
    own_rules: ClassVar[Sequence[str]] = ("confident_patience",)
    numeric_rules: ClassVar[Sequence[str]] = ()
