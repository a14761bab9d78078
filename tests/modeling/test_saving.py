"""The weights folder: complete, whole or not there, and refused where it does not belong."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from torch import nn

from elue.errors import ElueError
from elue.modeling.backbone import load_backbone
from elue.modeling.heads import EncoderWithHead
from elue.modeling.options import TrainingOptions, parse_options
from elue.modeling.saving import load, read_note, save, saved_points
from elue.plugins.early_exit.elasticbert import ElasticBert
from elue.plugins.static import Static
from elue.protocol import Method, Sample, TaskInfo
from tests import small


class Tied(EncoderWithHead):
    """Two names for one tensor."""

    def __init__(self, *parts) -> None:
        super().__init__(*parts)
        self.again = nn.Linear(16, 16)
        self.again.weight = self.head.dense.weight


@pytest.fixture
def saved(tmp_path: Path):
    job = small.job(tmp_path / "weights")
    options = parse_options(TrainingOptions, job)
    encoder, text, origin = load_backbone(job, options)
    module = Tied(encoder, job.task)
    (job.out / "checkpoints" / "joint").mkdir(parents=True)
    save(job, Static(), module, options, encoder.config, text, origin, [{"layers": 1}], {"score": 50.0})
    return job, module, text


def test_a_folder_holds_weights_tokenizer_and_note_and_nothing_else(saved):
    job, _, _ = saved
    assert sorted(path.name for path in job.out.iterdir()) == ["elue.json", "model.safetensors", "tokenizer.json"]


def test_the_note_says_how_the_weights_came_to_be(saved, tmp_path: Path):
    job, _, _ = saved
    note = read_note(job.out)
    assert (note["format"], note["method"], note["task"]["name"], note["seed"]) == (1, "static", "colours", 0)
    assert note["options"]["epochs"] == 2.0
    assert note["options"]["weight_decay"] == TrainingOptions.TINY["weight_decay"]
    assert set(note["versions"]) == {"elue", "torch", "transformers"}
    assert saved_points(job.out) == [{"layers": 1}]
    assert str(tmp_path) not in json.dumps(note)


def test_loaded_weights_are_the_saved_ones_and_shared_tensors_stay_shared(saved):
    job, module, text = saved
    found = load(job.out, Static(), job.task)
    restored = found.restore(Tied(found.encoder(), job.task))
    assert restored.again.weight is restored.head.dense.weight
    assert not restored.training
    for name, tensor in module.state_dict().items():
        assert torch.equal(restored.state_dict()[name], tensor)
    assert found.text.encode(Sample("a", "red door")) == text.encode(Sample("a", "red door"))


def spoil(folder: Path, **changes) -> None:
    note = json.loads((folder / "elue.json").read_text())
    (folder / "elue.json").write_text(json.dumps({**note, **changes}))


def restore(folder: Path, method: Method, task: TaskInfo) -> nn.Module:
    found = load(folder, method, task)
    return found.restore(Tied(found.encoder(), task))


def refusal(job, method=None, task: TaskInfo | None = None) -> ElueError:
    with pytest.raises(ElueError) as caught:
        restore(job.out, method or Static(), task or job.task)
    assert "\n" not in str(caught.value)
    return caught.value


def test_what_is_foreign_newer_or_broken_is_refused(saved):
    job, _, _ = saved
    assert refusal(job, method=ElasticBert()).code == "foreign_weights"
    assert refusal(job, task=small.SCORE).code == "foreign_weights"
    spoil(job.out, format=2)
    assert "format 2" in str(refusal(job))
    spoil(job.out, format=1)
    (job.out / "model.safetensors").write_bytes(b"no tensors")
    assert refusal(job).code == "bad_weights"
    (job.out / "elue.json").write_text("{")
    assert refusal(job).code == "bad_weights"
    (job.out / "elue.json").unlink()
    assert refusal(job).code == "no_weights"


def test_weights_of_another_shape_are_refused(saved):
    job, _, _ = saved
    note = read_note(job.out)
    spoil(job.out, encoder={**note["encoder"], "layers": 1})
    assert refusal(job).code == "bad_weights"


def test_no_weights_at_all_is_one_clear_error():
    with pytest.raises(ElueError) as caught:
        load(None, Static(), small.CLASSES)
    assert caught.value.code == "no_weights"
