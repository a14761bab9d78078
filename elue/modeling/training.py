"""Training on transformers.Trainer, in phases that resume after a kill and are skipped once finished.

A method's training reads:

    options = parse_options(MyOptions, job)
    encoder, text, origin = load_backbone(job, options)
    module = MyModule(encoder, job.task, options)
    fit(module, job, options, text, phase="soft")
    fit(module, job, options, text, phase="hard", epochs=1)
    save(job, self, module, options, encoder.config, text, origin, points=[...], validation={...})

`module(batch)` takes a dict of tensors, `ids`, `segments`, `mask` (batch, tokens) and in training `labels`
(batch,), and returns {"logits": ...} and, given labels, {"loss": scalar}; what else it returns without labels, such as
the "price" that `elue.modeling.inference.appraisal` knows, is a tensor (batch, ...). Finished phases and the
checkpoints of a running one lie in `job.out/checkpoints/<phase>`; `save` removes them.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

import torch
from safetensors.torch import load_model, save_model
from torch import Tensor, nn
from torch.utils.data import Dataset
from transformers import PrinterCallback, ProgressCallback, TrainingArguments

from elue.errors import ElueError
from elue.modeling.heads import unit_label
from elue.modeling.inference import Appraisal, appraisal
from elue.modeling.options import CommonOptions, in_force
from elue.modeling.saving import CHECKPOINTS
from elue.modeling.several import TASK, jobs_of
from elue.modeling.text import Encoded, TextEncoder, pad_batch
from elue.modeling.trainer import WORTH, After, Ahead, Between, Combine, KitTrainer
from elue.modeling.trainer_reports import PhaseBar, Reports
from elue.protocol import TrainingJob

FINISHED = "finished.safetensors"
STEPS_BETWEEN_CHECKPOINTS = 500
Column = float | Sequence[float]
"""What a batch may hold of an example beside its text: a number, or several."""


def fit(
    module: nn.Module,
    job: TrainingJob,
    options: CommonOptions,
    text: TextEncoder,
    *,
    phase: str = "joint",
    epochs: float | None = None,
    learning_rate: float | None = None,
    rates: Mapping[str, float] | None = None,
    columns: Mapping[str, Sequence[Column]] | None = None,
    subset: Sequence[int] | None = None,
    seed: int | None = None,
    frozen: Sequence[str] = (),
    combine: Combine | None = None,
    ahead: Ahead | None = None,
    after: Callable[[], None] | None = None,
    judged: Sequence[int] | None = None,
    keep_best: bool = True,
) -> None:
    """Train `module` in place for one phase and leave it in eval mode.

    `epochs`, `learning_rate` and `seed` stand in for the job's own; `subset` trains on some of its examples, by
    position; `rates` maps patterns (searched in parameter names) to learning rates of their own; `columns` adds one
    number an example to the batch, (batch,), or several, such as one for each token: (batch, the most), padded with 0.
    Parameters that don't require gradients stay as they are; so do the submodules named in `frozen`, which run in eval
    mode, dropout off. `combine` gives the parameters the gradients of several losses; `ahead` is called with module and
    batch before each step, `after` once the optimizer has stepped. On the CPU the seed decides everything, resumed or
    not. Of several epochs the one that is worth most on validation data by the method's own objective, score less what
    it pays for compute (`appraisal`), is kept, the earliest of equals, unless not `keep_best`; where there are no such
    data, the last, and that is said on the terminal. Of several ways out those in `judged` count, by their place, else
    all. Raises ElueError if checkpoints of another job are in the way, or the device is missing.
    """
    folder = job.out / CHECKPOINTS / phase
    _claim(job, options)
    if (folder / FINISHED).exists():
        load_model(module, folder / FINISHED)
        module.eval()
        return
    if job.also and (columns or subset is not None):
        raise NotImplementedError("columns and subsets are of one task alone")
    rows = _rows(job, text, columns or {}, range(len(job.train)) if subset is None else subset)
    for number, own in enumerate(jobs_of(job) if job.also else []):
        more = _rows(own, text, {TASK: [float(number)] * len(own.train)}, range(len(own.train)))
        rows.rows = rows.rows + more.rows if number else more.rows
    passes = options.epochs if epochs is None else epochs
    best = keep_best and passes > 1
    arguments = _arguments(job, options, folder, judged=best and bool(job.validation))
    arguments.num_train_epochs = passes
    arguments.learning_rate = options.learning_rate if learning_rate is None else learning_rate
    arguments.seed = job.seed if seed is None else seed
    if best and not job.validation:
        print(f"{phase}: no validation data tell which epoch is best, so the last is kept", file=sys.stderr)
    still = [
        parameter for name in frozen for parameter in module.get_submodule(name).parameters() if parameter.requires_grad
    ]
    for parameter in still:
        parameter.requires_grad_(False)
    trainer = KitTrainer(
        model=module,
        args=arguments,
        train_dataset=rows,
        eval_dataset=job.validation,
        data_collator=lambda batch: _collate(batch, text.pad),
    )
    trainer.rates = dict(rates or {})
    trainer.mixed, trainer.halved = options.mix_lengths, _is_halved(job, options)
    trainer.appraise = lambda network: _appraisal(network, job, text, judged)
    trainer.evenness = getattr(options, "evenness", 1.0)
    trainer.frozen, trainer.combine, trainer.ahead = tuple(frozen), combine, ahead
    trainer.remove_callback(PrinterCallback if job.quiet else ProgressCallback)
    if not job.quiet:
        trainer.add_callback(PhaseBar(phase))
    if job.report is not None:
        trainer.add_callback(Reports(phase, job.report, trainer.pace))
    if after is not None:
        trainer.add_callback(After(after))
    trainer.add_callback(Between(STEPS_BETWEEN_CHECKPOINTS, -(-len(rows) // options.batch_size)))
    trainer.train(resume_from_checkpoint=_last_checkpoint(folder))
    for parameter in still:
        parameter.requires_grad_(True)
    module.eval()
    save_model(module, str(folder / "unfinished.safetensors"))
    (folder / "unfinished.safetensors").replace(folder / FINISHED)
    for checkpoint in folder.glob("checkpoint-*"):
        shutil.rmtree(checkpoint)


def _appraisal(network: Any, job: TrainingJob, text: TextEncoder, judged: Sequence[int] | None) -> Appraisal:
    """What a network's answers to validation data are worth, of several tasks the mean."""
    if not job.also:
        return appraisal(network, job, text, judged)
    appraisals = []
    for number, own in enumerate(jobs_of(job)):
        network.use(number)
        appraisals.append(appraisal(network, own, text, judged))
    return Appraisal(
        fmean(task.score for task in appraisals), fmean(task.price for task in appraisals), appraisals[0].ways
    )


def recall(job: TrainingJob, options: CommonOptions, name: str, compute: Callable[[], Any]) -> Any:
    """A JSON value of this training, computed once and found again after a kill.

    Phases that `compute` fitted under `name` (as "name" or "name-1") are removed once it is known.
    """
    _claim(job, options)
    file = job.out / CHECKPOINTS / f"{name}.json"
    if not file.exists():
        value = compute()
        temporary = file.with_suffix(".tmp")
        temporary.write_text(json.dumps(value))
        temporary.replace(file)
    for folder in (job.out / CHECKPOINTS).glob(f"{name}*/"):
        shutil.rmtree(folder)
    return json.loads(file.read_text())


def job_digest(job: TrainingJob, options: CommonOptions) -> str:
    """sha256 of all that decides a training's outcome: task, data, metric, backbone, seed, device, options.

    A metric is told from another by what it gives for the validation labels in reverse.
    """
    digest = hashlib.sha256()
    if job.also:
        return hashlib.sha256("".join(job_digest(own, options) for own in jobs_of(job)).encode()).hexdigest()
    labels = [example.label for example in job.validation]
    judged = job.measure(labels, labels[::-1]) if job.measure and len(labels) > 1 else None
    device = torch.device(job.device).type  # whichever there is of it
    settings = [job.task.name, job.backbone, job.seed, device, in_force(options, job.backbone), judged]
    digest.update(json.dumps(settings, sort_keys=True).encode())
    for example in (*job.train, *job.validation):
        row = [example.sample.text, example.sample.pair, example.label]
        digest.update(json.dumps(row).encode())
    return digest.hexdigest()


def _claim(job: TrainingJob, options: CommonOptions) -> None:
    """Mark the checkpoints as this job's, or refuse to go on from another one's."""
    note = job.out / CHECKPOINTS / "job.sha256"
    digest = job_digest(job, options)
    if note.exists() and note.read_text() != digest:
        message = f"'{job.out}' holds checkpoints of another training (other data, options, seed or backbone)."
        raise ElueError("other_job", message, f"Remove '{note.parent}' or choose another folder.")
    note.parent.mkdir(parents=True, exist_ok=True)
    note.write_text(digest)


class _Rows(Dataset[dict[str, Any]]):
    def __init__(self, rows: list[dict[str, Any]]) -> None:
        self.rows = rows

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> dict[str, Any]:
        return self.rows[index]


def _rows(job: TrainingJob, text: TextEncoder, columns: Mapping[str, Sequence[Column]], subset: Sequence[int]) -> _Rows:
    encodings = text.encode_all([job.train[index].sample for index in subset])
    rows = []
    for index, encoding in zip(subset, encodings, strict=True):
        example = job.train[index]
        extra = {name: values[index] for name, values in columns.items()}
        rows.append({"encoded": encoding, "labels": unit_label(example.label, job.task), **extra})
    return _Rows(rows)


def _collate(rows: Sequence[Mapping[str, Any]], pad: int) -> dict[str, Tensor]:
    encoded: list[Encoded] = [row["encoded"] for row in rows]
    numbers = {name: _column([row[name] for row in rows]) for name in rows[0] if name != "encoded"}
    return {**pad_batch(encoded, pad), **numbers}


def _column(values: Sequence[Column]) -> Tensor:
    several = [torch.tensor(value, dtype=torch.float) for value in values]
    return nn.utils.rnn.pad_sequence(several, batch_first=True) if several[0].dim() else torch.stack(several)


def _arguments(job: TrainingJob, options: CommonOptions, folder: Path, judged: bool) -> TrainingArguments:
    device = torch.device(job.device)
    cuda = device.type == "cuda"
    if device.type != "cpu":
        _use(device)
    arguments = TrainingArguments(
        output_dir=str(folder),
        per_device_train_batch_size=options.batch_size,
        weight_decay=options.weight_decay,
        warmup_steps=options.warmup,
        train_sampling_strategy="group_by_length",
        save_strategy="epoch",
        save_total_limit=2,
        eval_strategy="epoch" if judged else "no",
        load_best_model_at_end=judged,
        metric_for_best_model=WORTH if judged else None,
        greater_is_better=True if judged else None,
        logging_strategy="steps",
        logging_steps=10,
        remove_unused_columns=False,
        dataloader_pin_memory=cuda,
        use_cpu=device.type == "cpu",
        report_to="none",
        disable_tqdm=job.quiet,
    )
    if device.type != "cpu":
        _keep_to(device, arguments)
    return arguments


def _is_halved(job: TrainingJob, options: CommonOptions) -> bool:
    on_gpu = torch.device(job.device).type == "cuda"
    return options.precision == "bfloat16" or (
        options.precision == "auto" and on_gpu and torch.cuda.is_bf16_supported()
    )


def _use(device: torch.device) -> None:
    """Have accelerate, which asks the environment first, take this device. Raises ElueError if torch finds none."""
    here = torch.accelerator.current_accelerator(check_available=True)
    if here is None or here.type != device.type or (device.index or 0) >= torch.accelerator.device_count():
        raise ElueError(f"no_{device.type}", f"Device '{device}' was asked for, but torch finds none.", "Use cpu.")
    os.environ["ACCELERATE_TORCH_DEVICE"] = str(device)


def _keep_to(device: torch.device, arguments: TrainingArguments) -> None:
    """Have the trainer take this one device: by itself it takes the first, and spreads batches over all there are."""
    first = arguments.device
    chosen = torch.device(device.type, device.index or 0)
    arguments.__dict__["_setup_devices"] = chosen
    arguments._n_gpu = 1
    if first != chosen:
        torch.accelerator.set_device_index(chosen)


def _last_checkpoint(folder: Path) -> str | None:
    """The newest checkpoint that was written to its end: the trainer's state is its last file."""
    newest_first = sorted(folder.glob("checkpoint-*"), key=lambda path: int(path.name.split("-")[1]), reverse=True)
    for checkpoint in newest_first:
        try:
            json.loads((checkpoint / "trainer_state.json").read_text())
        except (OSError, ValueError):
            shutil.rmtree(checkpoint)
        else:
            return str(checkpoint)
    return None
