"""From logits to predictions, one by one and in batches."""

from __future__ import annotations

import pytest
import torch

from elue.modeling.backbone import learn_wordpiece
from elue.modeling.heads import EncoderWithHead
from elue.modeling.inference import batched_logits, quality
from elue.modeling.running import WholeModel, prediction_of
from elue.modeling.text import TextEncoder
from elue.protocol import Example, Sample
from tests import small


def labelled(*labels: float) -> list[Example]:
    return [Example(Sample(str(index), "x"), label) for index, label in enumerate(labels)]


def test_a_class_is_the_likeliest_and_carries_all_probabilities():
    answer = prediction_of((0.25, 0.75), small.CLASSES, ())
    assert answer.value == 1
    assert answer.scores == (0.25, 0.75)


def test_a_number_is_mapped_back_to_the_tasks_range():
    assert prediction_of((0.25,), small.SCORE, ()).value == pytest.approx(2.0)
    assert prediction_of((0.25,), small.SCORE, ()).scores == ()


def test_quality_is_accuracy_or_pearsons_correlation():
    logits = torch.tensor([[0.0, 1.0], [1.0, 0.0], [0.0, 1.0], [0.0, 1.0]])
    assert quality(logits, labelled(1, 0, 0, 1), small.CLASSES) == 75.0
    numbers = torch.tensor([[1.0], [2.0], [4.0]])
    assert quality(numbers, labelled(2, 4, 8), small.SCORE) == pytest.approx(100.0)
    assert quality(numbers, labelled(1, 5, 1), small.SCORE) == pytest.approx(-18.8982, abs=1e-3)


def test_quality_is_the_metric_of_the_job_where_it_brings_one():
    """The metric sees labels and answers as the task has them: classes, and numbers in the task's own range."""
    seen = []

    def measure(labels, values):
        seen.append((list(labels), list(values)))
        return 42.0

    logits = torch.tensor([[0.0, 1.0], [1.0, 0.0]])
    assert quality(logits, labelled(1, 1), small.CLASSES, measure) == 42.0
    assert quality(torch.tensor([[0.0], [0.25], [1.0]]), labelled(1, 2.5, 5), small.SCORE, measure) == 42.0
    assert seen == [([1, 1], [1, 0]), ([1, 2.5, 5], [1.0, 2.0, 5.0])]


def test_batches_and_single_samples_agree_in_the_order_given():
    examples = small.examples(30)
    text = TextEncoder(learn_wordpiece([example.sample.text for example in examples], 50), 40)
    network = small.stir(EncoderWithHead(small.encoder(), small.CLASSES))
    together = batched_logits(network, examples, text, batch_size=7).softmax(-1)
    model = WholeModel(network, text, small.CLASSES)
    alone = [model.predict([example.sample])[0] for example in examples]
    torch.testing.assert_close(together, torch.tensor([one.scores for one in alone]), atol=1e-4, rtol=1e-4)
    assert len({one.scores for one in alone}) > 20
