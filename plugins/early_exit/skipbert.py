"""SkipBERT: a table of tri-grams stands in for the lower layers, and exits stand on the upper ones.

Wang J. et al., "SkipBERT: Efficient Inference with Shallow Layer Skipping", ACL 2022. The first k layers run on three
tokens at a time, so that what they make of a tri-gram can be looked up. The full encoder teaches; then the lower layers
are frozen, the table is filled from the training texts, and the upper layers learn on what it holds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from elue.errors import ElueError
from elue.modeling.encoder import Encoder, EncoderConfig
from elue.modeling.exits.distillation import from_teacher, teacher_columns
from elue.modeling.exits.heads import SharedPoolerHeads
from elue.modeling.exits.method import ExitOptions
from elue.modeling.exits.network import ExitNetwork
from elue.modeling.exits.plan import Phase
from elue.modeling.exits.trigrams import TrigramExits
from elue.modeling.method import Training
from elue.modeling.options import option
from elue.modeling.trigrams import TrigramEmbeddings, skipping
from elue.protocol import TaskInfo


@dataclass(frozen=True, kw_only=True)
class SkipBertOptions(ExitOptions):
    shallow_layers: int | None = option(None, "layers on tri-grams, below two with exits or more; half if not given", 0)
    entries: int = option(30_000, "grams of the training texts that the table holds, the most frequent", 1)
    teacher_epochs: float = option(3.0, "epochs of the full encoder, which teaches", 0.0)
    upper_epochs: float = option(2.0, "epochs of the upper layers on the table, all below frozen", 0.0)


class SkipBert(TrigramExits):
    """A table of tri-grams below, distillation, and exits on a shared pooler above.

    Look-ups cost no FLOPs, but they are not free: three rows a token are read, which bytes moved and parameters touched
    have, and the table is among the parameters. Three points of the sweep compute the lower layers instead, on three
    times as many rows: what a cold input costs. The table is filled from training texts alone, before anything is
    answered, and never written again: the release computes and stores what it meets, so that answers depend on the
    order of inputs. It is in float32, where the release's is in float16. A tri-gram that is not known is looked up
    without its left neighbour, then alone, then is 0; these grams are computed as they are asked, without attending to
    what is missing. The paper distils attention and states in general before any task; here the lower layers learn on
    the task with the rest, from the fine-tuned backbone's answers alone, and are frozen after. The paper speaks of
    exits, its code has none: that they share PABEE's pooler and weights and leave by entropy, in a regression by
    patience, is our choice. Exits pool by mean unless told. Without shallow layers there are embeddings and no table.
    """

    name = "skipbert"
    family = "early_exit"
    title = "SkipBERT: looked-up tri-grams below exits"
    paper = "Wang et al. 2022, SkipBERT, https://aclanthology.org/2022.acl-long.503"
    summary = (
        "What the lower layers make of three tokens in a row is read from a large table that is filled beforehand, and "
        "exits stand on the upper layers. A sample leaves at low entropy. Look-ups save FLOPs and pay in bytes: three "
        "rows a token are read, and the table is many times as large as the layers it replaces."
    )
    options = SkipBertOptions
    own_rules: ClassVar[Sequence[str]] = ("entropy",)
    numeric_rules: ClassVar[Sequence[str]] = ("patience",)
    from_pooler = True

    def settled(self, options: Any, config: EncoderConfig) -> Any:
        half = max(0, min(config.layers // 2, config.layers - 2))
        shallow = half if options.shallow_layers is None else options.shallow_layers
        if shallow > max(0, config.layers - 2):
            message = f"{shallow} shallow layers of {config.layers} leave no exit before the last."
            raise ElueError("bad_option", message, "Leave two layers or more above them.")
        return super().settled(replace(options, shallow_layers=shallow), config)

    def heads(self, config: EncoderConfig, task: TaskInfo, options: Any) -> SharedPoolerHeads:
        return SharedPoolerHeads(config, task, options.pooling)

    def network(self, encoder: Encoder, task: TaskInfo, options: Any) -> ExitNetwork:
        return super().network(skipping(encoder, options.shallow_layers), task, options)

    def plan(self, network: ExitNetwork, training: Training) -> Sequence[Phase]:
        options, below = training.options, network.encoder.embed
        columns = teacher_columns(training, options.teacher_epochs)
        student = Phase("student", from_teacher, columns=columns, rates={"^heads": options.head_learning_rate})
        if not isinstance(below, TrigramEmbeddings):
            return [student]
        still = [f"encoder.embed.{part}" for part in ("embed", "layers", "gate")]
        return [student, replace(student, name="upper", frozen=still, epochs=options.upper_epochs)]
