"""The encoder a training starts from: a pretrained one that transformers loads, or a small random one.

transformers is imported where a pretrained one is asked for: that takes seconds, and what was trained does without.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from torch import Tensor, nn

from elue.errors import ElueError
from elue.modeling.encoder import Encoder, EncoderConfig, FeedForward, SelfAttention
from elue.modeling.loading import config_from_transformers, from_state
from elue.modeling.options import TINY, CommonOptions, LayerOptions
from elue.modeling.several import jobs_of
from elue.modeling.text import TextEncoder
from elue.modeling.token_cache import remembered
from elue.protocol import TrainingJob

SPECIAL_TOKENS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
HUB_ID = re.compile(r"\w[\w.-]*(/\w[\w.-]*)?")


def load_backbone(job: TrainingJob, options: CommonOptions) -> tuple[Encoder, TextEncoder, dict[str, str]]:
    """The encoder, its text encoder, and {"name", "digest"}: where it came from and sha256 of its weights.

    "tiny" is a small random encoder with a WordPiece vocabulary learned from the job's texts; anything
    else is a folder or hub id. torch is seeded last, so that what is built on top is the same each time.
    Token ids are kept for later trainings. Raises ElueError when the backbone can't be found or is not BERT-like.
    """
    if job.backbone == TINY:
        encoder, tokenizer, origin = _tiny(job, options)
    else:
        encoder, tokenizer, origin = _pretrained(job.backbone)
    longest = encoder.config.positions - encoder.config.position_offset
    text = TextEncoder(tokenizer, min(options.max_length, longest), encoder.config.pad, remembered)
    torch.manual_seed(job.seed)
    return encoder, text, origin


def shape_of(backbone: str, options: CommonOptions) -> EncoderConfig:
    """The encoder's shape, told without its weights; of "tiny" the vocabulary may come out smaller.

    Raises ElueError as `load_backbone`.
    """
    if backbone == TINY:
        return _tiny_shape(options, options.tiny_vocabulary)
    with _told(backbone):
        return config_from_transformers(_config(backbone))


def learn_wordpiece(texts: list[str], size: int) -> Tokenizer:
    """A lower-casing WordPiece tokenizer, as BERT's, its vocabulary learned from texts: from the same texts, the same.

    The trainer numbers letters inside words as its hash map happens to hand them out, and breaks ties between merges
    by these numbers (huggingface/tokenizers issue 1794). So letters are reserved beforehand, in order.
    """
    letters = sorted(_learned_pieces(texts, 0, SPECIAL_TOKENS).keys() - set(SPECIAL_TOKENS))
    vocabulary = _learned_pieces(texts, size, (*SPECIAL_TOKENS, *letters))
    tokenizer = _tokenizer(vocabulary)
    tokenizer.add_special_tokens(list(SPECIAL_TOKENS))
    ids = [(name, tokenizer.token_to_id(name)) for name in ("[CLS]", "[SEP]")]
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=ids
    )
    return tokenizer


def _learned_pieces(texts: list[str], size: int, reserved: Sequence[str]) -> dict[str, int]:
    """Word pieces and their ids: the reserved ones first, every letter, then merges as far as the size goes."""
    tokenizer = _tokenizer({})
    trainer = trainers.WordPieceTrainer(
        vocab_size=size, special_tokens=list(reserved), show_progress=False, min_frequency=2
    )
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer.get_vocab()


def _tokenizer(vocabulary: dict[str, int]) -> Tokenizer:
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    return tokenizer


def _tiny(job: TrainingJob, options: CommonOptions) -> tuple[Encoder, Tokenizer, dict[str, str]]:
    samples = [example.sample for own in jobs_of(job) for example in own.train]
    texts = [sample.text for sample in samples] + [sample.pair for sample in samples if sample.pair]
    tokenizer = learn_wordpiece(texts, options.tiny_vocabulary)
    torch.manual_seed(job.seed)
    encoder = Encoder(_tiny_shape(options, tokenizer.get_vocab_size()))
    _initialize(encoder)
    digest = hashlib.sha256()
    for tensor in encoder.state_dict().values():
        digest.update(tensor.numpy().tobytes())
    return encoder, tokenizer, {"name": "tiny", "digest": digest.hexdigest()}


def _tiny_shape(options: CommonOptions, vocabulary: int) -> EncoderConfig:
    """The shape that the options ask for: a word table alone where they know of no layers."""
    shape = EncoderConfig(
        vocabulary=vocabulary,
        hidden=options.tiny_hidden,
        layers=0,
        heads=1,
        intermediate=4 * options.tiny_hidden,
        positions=options.max_length,
        types=2,
        embedding=options.tiny_hidden,
        dropout=0.0,
    )
    if not isinstance(options, LayerOptions):
        return shape
    if options.tiny_hidden % options.tiny_heads:
        message = f"tiny_hidden {options.tiny_hidden} is not a multiple of tiny_heads {options.tiny_heads}."
        raise ElueError("bad_option", message, "Set a hidden size that the heads divide evenly.")
    return replace(shape, layers=options.tiny_layers, heads=options.tiny_heads, dropout=options.tiny_dropout)


def _initialize(encoder: Encoder) -> None:
    """BERT's initialisation, normal with standard deviation 0.02 and biases 0, but layers start as the identity.

    What each half of a layer adds to its input starts at 0 (as in Fixup, arXiv 1901.09321): deep post-norm encoders
    otherwise spend most of a short training on a plateau.
    """
    for module in encoder.modules():
        if isinstance(module, nn.Linear | nn.Embedding):
            nn.init.normal_(module.weight, std=0.02)
        if isinstance(module, nn.Linear):
            nn.init.zeros_(module.bias)
    for module in encoder.modules():
        if isinstance(module, SelfAttention):
            nn.init.zeros_(module.output.weight)
        elif isinstance(module, FeedForward):
            nn.init.zeros_(module.outer.weight)


def _pretrained(backbone: str) -> tuple[Encoder, Tokenizer, dict[str, str]]:
    from transformers import AutoTokenizer

    with _told(backbone):
        config = _config(backbone)
        config_from_transformers(config)
        state = _state(backbone, config)
        tokenizer = AutoTokenizer.from_pretrained(backbone, config=config)
    if not getattr(tokenizer, "is_fast", False):
        message = f"The backbone '{backbone}' has neither tokenizer.json nor a vocabulary file."
        raise ElueError("backbone_not_found", message, "Save a fast tokenizer beside its weights.")
    origin = {"name": _public_name(backbone), "digest": _digest(backbone, state)}
    return from_state(config, state), tokenizer.backend_tokenizer, origin


@contextmanager
def _told(backbone: str) -> Iterator[None]:
    """Turn what transformers says of a backbone that it can't load into an ElueError."""
    try:
        yield
    except (OSError, ValueError) as error:
        message = f"The backbone '{backbone}' can't be loaded: {str(error).splitlines()[0]}"
        hint = "Give 'tiny', a folder that transformers can load, or a hub id that this machine can reach."
        raise ElueError("backbone_not_found", message, hint) from error


def _config(backbone: str) -> Any:
    """The transformers config. ElasticBERT, which transformers does not know, has BERT's under a name of its own."""
    from transformers import AutoConfig, BertConfig, PreTrainedConfig

    values, _ = PreTrainedConfig.get_config_dict(backbone)
    if values.get("model_type") != "elasticbert":
        return AutoConfig.from_pretrained(backbone)
    config = BertConfig.from_dict(values)
    config.model_type = "elasticbert"
    return config


def _state(backbone: str, config: Any) -> Mapping[str, Tensor]:
    """The weights by their names in transformers, without those that the file lacks."""
    from transformers import AutoModel
    from transformers.utils import cached_file

    if config.model_type != "elasticbert":
        model, loaded = AutoModel.from_pretrained(backbone, dtype=torch.float32, output_loading_info=True)
        missing = set(loaded["missing_keys"])
        return {name: tensor for name, tensor in model.state_dict().items() if name not in missing}
    file = cached_file(backbone, "model.safetensors", _raise_exceptions_for_missing_entries=False)
    if file is not None:
        return load_file(file)
    return torch.load(cached_file(backbone, "pytorch_model.bin"), map_location="cpu", weights_only=True)


def _public_name(backbone: str) -> str:
    """A name that says nothing of this machine: the hub id the config knows, else the folder's name."""
    folder = Path(backbone)
    if not folder.is_dir():
        return backbone
    known = str(json.loads((folder / "config.json").read_text()).get("_name_or_path", ""))
    return known if HUB_ID.fullmatch(known) else folder.resolve().name


def _digest(backbone: str, state: Mapping[str, Tensor]) -> str:
    """sha256 of the backbone's weights file; of the loaded tensors where there is no single file."""
    from transformers.utils import cached_file

    file = cached_file(backbone, "model.safetensors", _raise_exceptions_for_missing_entries=False)
    if file is not None:
        with Path(file).open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    digest = hashlib.sha256()
    for _, tensor in sorted(state.items()):
        digest.update(tensor.contiguous().numpy().tobytes())
    return digest.hexdigest()
