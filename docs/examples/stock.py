"""stock: a BERT of transformers, as it comes, cut after so many layers as the operating point says."""

import json
import random

import torch
from safetensors.torch import load_file, save_file
from tokenizers import BertWordPieceTokenizer
from transformers import BertConfig, BertForSequenceClassification

from elue.protocol import Method, Prediction

SHAPE = {"hidden_size": 64, "num_hidden_layers": 4, "num_attention_heads": 4, "intermediate_size": 128}


def network_of(task, vocabulary):
    config = BertConfig(vocab_size=vocabulary, num_labels=task.outputs, max_position_embeddings=128, **SHAPE)
    return BertForSequenceClassification(config)


class Model:
    """What `load` returns. Only the layers that the point keeps are in the network, so only they run."""

    def __init__(self, network, tokenizer):
        self.network, self.tokenizer = network, tokenizer
        self.layers = list(network.bert.encoder.layer)

    def configure(self, point):
        self.network.bert.encoder.layer = torch.nn.ModuleList(self.layers[: point["layers"]])

    def inputs(self, sample):
        ids = self.tokenizer.encode(sample.text, sample.pair).ids
        return torch.tensor([ids])

    @torch.inference_mode()
    def predict(self, samples):
        logits = [self.network(input_ids=self.inputs(sample)).logits[0] for sample in samples]
        return [Prediction(int(row.argmax()), tuple(row.softmax(-1).tolist())) for row in logits]


class Stock(Method):
    name = "stock"
    family = "static"
    title = "A BERT of transformers, cut after some layers"
    knobs = {"layers": {"type": "int", "low": 1, "high": 4, "help": "how many layers run"}}

    def load(self, task, weights, seed):
        vocabulary = json.loads((weights / "vocabulary.json").read_text())
        tokenizer = BertWordPieceTokenizer(vocabulary)
        tokenizer.enable_truncation(128)
        network = network_of(task, len(vocabulary))
        network.load_state_dict(load_file(weights / "model.safetensors"))
        return Model(network.eval(), tokenizer)

    def points(self, task, weights):
        return [{"layers": layers} for layers in (1, 2, 3, 4)]

    def train(self, job):
        """Fine-tune at a random depth each step, so that every depth can answer."""
        torch.manual_seed(job.seed)
        tokenizer = BertWordPieceTokenizer()
        tokenizer.train_from_iterator((e.sample.text for e in job.train), vocab_size=2000, show_progress=False)
        tokenizer.enable_truncation(128)
        network = network_of(job.task, tokenizer.get_vocab_size())
        examples, draw = list(job.train), random.Random(job.seed)
        model, optimizer = Model(network, tokenizer), torch.optim.AdamW(network.parameters(), lr=1e-3)
        tokenizer.enable_padding()
        for _ in range(2):
            draw.shuffle(examples)
            for start in range(0, len(examples), 32):
                batch = examples[start : start + 32]
                encoded = tokenizer.encode_batch([e.sample.text for e in batch])
                model.configure({"layers": draw.choice((1, 2, 3, 4))})
                answer = network(
                    input_ids=torch.tensor([row.ids for row in encoded]),
                    attention_mask=torch.tensor([row.attention_mask for row in encoded]),
                    labels=torch.tensor([int(e.label) for e in batch]),
                )
                optimizer.zero_grad()
                answer.loss.backward()
                optimizer.step()
        model.configure({"layers": 4})
        job.out.mkdir(parents=True, exist_ok=True)
        (job.out / "vocabulary.json").write_text(json.dumps(tokenizer.get_vocab()))
        save_file(
            {name: value.contiguous() for name, value in network.state_dict().items()}, job.out / "model.safetensors"
        )
