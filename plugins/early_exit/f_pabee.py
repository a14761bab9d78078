"""F-PABEE: leave once several exits in a row hardly change their distribution.

Gao et al., "F-PABEE: Flexible-patience-based Early Exiting", ICASSP 2023, arXiv 2305.11916. Exits and training are
PABEE's; instead of the same answer, a Jensen-Shannon divergence under a threshold between one exit's distribution and
the next must repeat t times.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from elue.plugins.early_exit.pabee import Pabee


class FPabee(Pabee):
    """PABEE's training with divergence patience.

    As the text has it. The release takes the entropy of the mean distribution for a divergence, and compares with a
    second pass of the encoder, one layer ahead, which it does not count.
    """

    name = "f_pabee"
    title = "F-PABEE: patience with distributions"
    paper = "Gao et al. 2023, F-PABEE, https://arxiv.org/abs/2305.11916"
    summary = (
        "Classifiers after every layer share a pooler, and deeper ones weigh more in training. A sample leaves once "
        "the distribution of its answer has hardly moved for several layers. It saves the layers above."
    )
    own_rules: ClassVar[Sequence[str]] = ("divergence_patience",)
    numeric_rules: ClassVar[Sequence[str]] = ()
