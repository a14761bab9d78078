"""A task that a few steps learn, and networks small enough to train in a test."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

from elue.modeling.backbone import learn_wordpiece
from elue.modeling.encoder import Encoder, EncoderConfig
from elue.modeling.exits.heads import OwnHeads
from elue.modeling.exits.network import ExitNetwork
from elue.modeling.exits.objectives import sum_of_exits
from elue.modeling.flow import flow
from elue.modeling.ragged import Request
from elue.modeling.running import RaggedModel
from elue.modeling.text import Encoded
from elue.protocol import Example, Sample, TaskInfo, TrainingJob

CONFIG = EncoderConfig(
    vocabulary=50, hidden=16, layers=4, heads=4, intermediate=32, positions=40, types=2, embedding=16
)
CLASSES = TaskInfo("colours", "classification", ("cold", "warm"))
SCORE = TaskInfo("warmth", "regression", low=1.0, high=5.0)

OPTIONS = {
    "epochs": "2",
    "batch_size": "16",
    "learning_rate": "3e-3",
    "tiny_hidden": "16",
    "tiny_heads": "2",
    "tiny_layers": "3",
}


READER = {"tiny_heads": None, "tiny_layers": None}
"""What a reading method, which has no layers, leaves out of a job."""


def shape_of(method: Any) -> dict[str, Any]:
    """What a job of any method leaves out."""
    return {} if hasattr(method.options, "tiny_heads") else READER


def encoder(seed: int = 0, config: EncoderConfig = CONFIG) -> Encoder:
    """A random encoder whose weights are large enough that layers, and exits, disagree."""
    torch.manual_seed(seed)
    made = Encoder(config)
    for parameter in made.parameters():
        if parameter.dim() > 1:
            nn.init.normal_(parameter, std=0.4)
    return made.eval()


def exit_network(
    task: TaskInfo, pooling: str = "mean", balanced: bool = False, made: Encoder | None = None
) -> ExitNetwork:
    """A network with a head of its own after every layer, trained on the sum of their losses."""
    made = encoder() if made is None else made
    network = ExitNetwork(made, task, OwnHeads(made.config, task, pooling), balanced=balanced)
    network.objective = sum_of_exits
    return network


def stir(module: nn.Module, seed: int = 0) -> nn.Module:
    """Give all matrices large random weights, for outputs that differ from input to input."""
    torch.manual_seed(seed)
    for parameter in module.parameters():
        if parameter.dim() > 1:
            nn.init.normal_(parameter, std=0.6)
    return module.eval()


def batch(lengths: list[int], seed: int = 1) -> dict[str, Tensor]:
    """A padded batch of random ids."""
    generator = torch.Generator().manual_seed(seed)
    ids = torch.randint(1, 50, (len(lengths), max(lengths)), generator=generator)
    mask = torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]
    return {"ids": ids * mask, "segments": torch.zeros_like(ids), "mask": mask}


def examples(count: int, task: TaskInfo = CLASSES, seed: int = 0) -> list[Example]:
    """Words in which one or two colours decide: warm against cold, or for the score the number of warm ones."""
    draw = random.Random(seed)
    made = []
    for index in range(count):
        warm = draw.randrange(2)
        words = [draw.choice(["paper", "door", "hill", "rain", "bread"]) for _ in range(draw.randrange(3, 12))]
        words.insert(draw.randrange(len(words)), draw.choice(["red", "orange"] if warm else ["blue", "green"]))
        label = float(warm) if task.kind == "classification" else 1.0 + 4.0 * warm
        made.append(Example(Sample(f"s{index}", " ".join(words)), label))
    return made


def job(out: Path, task: TaskInfo = CLASSES, train: int = 96, **options: Any) -> TrainingJob:
    """A training job with the backbone "tiny" that takes a second or two. An option set to None is left out."""
    given = {name: value for name, value in {**OPTIONS, **options}.items() if value is not None}
    return TrainingJob(task, examples(train, task), examples(40, task, seed=1), "tiny", out, options=given)


def bert(folder: Path) -> Path:
    """A pretrained encoder as transformers saves it, with a tokenizer that knows words of the task, and pads."""
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=99, hidden_size=16, num_hidden_layers=2, num_attention_heads=2, max_position_embeddings=24
    )
    BertModel(config).save_pretrained(folder)
    tokenizer = learn_wordpiece([example.sample.text for example in examples(40)], 99)
    tokenizer.enable_padding(length=20)
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="[PAD]").save_pretrained(folder)
    return folder


def alone(model: RaggedModel, ids: Tensor) -> Request:
    """One text of these ids, (tokens,), run through the model by itself."""
    encoded = Encoded(ids.flatten().tolist(), [0] * ids.numel())
    with torch.inference_mode():
        (done,) = flow(model.stages(), [Request(0, encoded, alone=True)])
    return done
