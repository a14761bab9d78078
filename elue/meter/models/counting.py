"""The whole way from a name to what its model costs."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import Module

from elue.errors import ElueError, unknown
from elue.meter import profile as profiles
from elue.meter.meter import Meter
from elue.meter.models.building import ATTENTION, FLEX, build, choose_class, one_line, quiet, read_configuration
from elue.meter.models.cost import ModelCost, Question
from elue.meter.models.generating import generate, must_generate
from elue.meter.models.inputs import Inputs, left_out
from elue.meter.models.labels import with_labels
from elue.meter.models.running import Ran, ValuesWanted, first_that_runs
from elue.meter.models.shapes import Lengths, lookup
from elue.meter.report import Report
from elue.meter.training import count_training_step

LARGEST = 250_000_000
"""Parameters of the largest model that gets real weights: a gigabyte of fp32."""
SEED = 0
_ONE_OF_MANY = "values decide what it does: the count is one sample of many"


def count_configuration(question: Question) -> ModelCost:
    """Build the model that a configuration describes, without weights, and count what it does.

    Weights are shapes alone, as counts need none; a model that asks for values of its activations is built for real,
    with random ones, unless it is large. Raises ElueError, one line, for whatever stands in the way.
    """
    lengths = _lengths(question)
    if question.train and question.generate:
        raise ElueError("bad_question", "--train and --generate exclude each other.", "Count one after the other.")
    profile = profiles.load(question.profile)
    if question.attention is not None and question.attention not in ATTENTION:
        raise unknown("attention", question.attention, ATTENTION)
    with quiet():
        config = read_configuration(question.model)
        try:
            model_class, chosen = choose_class(config, question.head)
        except ElueError:
            raise
        except Exception as error:
            raise ElueError(
                "no_model", f"transformers finds no class for '{question.model}': {one_line(error)}"
            ) from None
        _check_lengths(question, config)
        torch.manual_seed(SEED)
        model = build(model_class, config, question.attention)
        total = sum(parameter.numel() for parameter in model.parameters())
        if question.generate:
            must_generate(model)
        try:
            if question.attention == FLEX:
                raise ValuesWanted(f"{FLEX} runs on no shapes alone")
            ran, device = _run(model, lengths, question, profile), "meta"
        except ValuesWanted as wanted:
            if total > LARGEST:
                raise ElueError(
                    "values_decide",
                    f"What {model_class.__name__} does depends on values that only weights give ({wanted}),",
                    f"and {total:,} parameters are too many to make some up: count a smaller configuration"
                    + (", or --attn sdpa." if question.attention == FLEX else "."),
                ) from None
            model = build(model_class, config, question.attention, real=True)
            ran, device = _run(model, lengths, question, profile, real=True), "cpu"
    notes = [f"without {name}: no form of it fitted this model" for name in left_out(model, ran.inputs)]
    if question.train and (said := with_labels(model, ran.inputs)[2]):
        notes.append(said)
    if quantised := getattr(config, "quantization_config", None):
        method = quantised.get("quant_method", "?") if isinstance(quantised, dict) else type(quantised).__name__
        notes.append(f"counted as in fp32: what quantising by '{method}' adds is left out")
    if device == "cpu":
        why = "flex_attention runs on no shapes alone" if question.attention == FLEX else _ONE_OF_MANY
        notes.append(f"built with random weights, since {why}")
    return ModelCost(
        question=question,
        built=model_class.__name__,
        chosen=chosen,
        device=device,
        params_total=total,
        inputs={name: tuple(value.shape) for name, value in ran.inputs.items() if isinstance(value, Tensor)},
        parts=ran.outcome,
        notes=tuple(notes),
    )


def _run(model: Module, lengths: Lengths, question: Question, profile: Any, *, real: bool = False) -> Ran:
    def meter() -> Meter:
        return Meter(profile, attribute=True, track=real, modules=[model])

    def forward(inputs: Inputs) -> dict[str, Report]:
        with meter() as counted:
            model(**inputs)
        return {"forward": counted.report()}

    def generating(inputs: Inputs) -> dict[str, Report]:
        prompt, output = meter(), meter()
        generate(model, inputs, question.generate, prompt, output)
        return {"prompt": prompt.report(), "output": output.report()}

    def training(inputs: Inputs) -> dict[str, Report]:
        taught, loss, _ = with_labels(model, inputs)
        with torch.enable_grad():
            step = count_training_step(model, taught, loss=loss, profile=profile)
        return {"forward": step.forward, "backward": step.backward, "optimiser": step.optimiser}

    run = training if question.train else generating if question.generate else forward
    return first_that_runs(model, lengths, run, real=real)


def _lengths(question: Question) -> Lengths:
    lowest = {"tokens": 1, "batch": 1, "pair_tokens": 0, "decoder_tokens": 1, "generate": 0}
    for name, least in lowest.items():
        value = getattr(question, name)
        if value is not None and value < least:
            raise ElueError("bad_length", f"--{name.replace('_', '-')} is {value}.", f"It takes {least} or more.")
    decoder = question.decoder_tokens
    if decoder is None and question.generate:
        decoder = 1
    return Lengths(question.batch, question.tokens, question.pair_tokens, decoder)


def _check_lengths(question: Question, config: Any) -> None:
    longest = lookup(config, "text", "max_position_embeddings")
    asked = question.tokens + question.pair_tokens + (0 if config.is_encoder_decoder else question.generate)
    if isinstance(longest, int) and 0 < longest < asked:
        raise ElueError("bad_length", f"{asked} tokens are asked for, but '{question.model}' takes at most {longest}.")
