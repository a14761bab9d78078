"""Checks of the protocol: what a method is called, what it offers, and the shape of what it answers."""

from __future__ import annotations

from collections.abc import Mapping

from elue.conformance.check import Failed, Skipped, Subject
from elue.errors import ElueError
from elue.methods.knobs import faults, settled
from elue.protocol import API, FAMILIES, Method


def names(subject: Subject) -> str:
    """Name, family, title, paper and summary are text, and the protocol is the one of this version."""
    method = subject.method
    if not isinstance(method, Method):
        raise Failed(f"{type(method).__name__} is no subclass of elue.protocol.Method")
    if method.api != API:
        raise Failed(f"api is {method.api!r}; this version has {API}")
    for field in ("name", "family", "title", "paper", "summary"):
        if not isinstance(getattr(method, field, None), str):
            raise Failed(f"{field} is {getattr(method, field, None)!r}, not text")
    if not method.name or not all(c.isalnum() or c in "-_." for c in method.name) or method.name.startswith("."):
        raise Failed(f"name {method.name!r} may hold only letters, digits, '-', '_' and '.'")
    if method.family not in FAMILIES:
        raise Failed(f"family is {method.family!r}, not one of {', '.join(FAMILIES)}")
    supported = method.supports(subject.task)
    if supported is not None and not isinstance(supported, str):
        raise Failed(f"supports returned {supported!r}; it returns None, or a sentence that says why not")
    return f"{method.name} ({method.family})"


def model(subject: Subject) -> None:
    """`load` gives an object with `configure` and `predict`."""
    missing = [name for name in ("configure", "predict") if not callable(getattr(subject.model, name, None))]
    if missing:
        raise Failed(f"{type(subject.model).__name__} has no {' and no '.join(missing)}")


def points(subject: Subject) -> str:
    """The default sweep has at least one point; each is a setting of the declared knobs, and no two are the same."""
    declared = subject.method.knobs
    if wrong := next(faults(declared), ""):
        raise Failed(wrong)
    if not subject.points:
        raise Failed("points returned nothing; a method without knobs returns [{}]")
    seen = set()
    for point in subject.points:
        if not isinstance(point, Mapping):
            raise Failed(f"a point is {point!r}, not a mapping from knob to value")
        for knob, value in point.items():
            if not isinstance(knob, str) or not isinstance(value, bool | int | float | str):
                raise Failed(f"knob {knob!r} is {value!r}; knobs are named by text and hold a number, text or a truth")
        try:
            point = settled(declared, point)
        except ElueError as error:
            raise Failed(f"the point {dict(point)} is not as 'knobs' declares: {error}") from None
        identity = repr(sorted(point.items()))
        if identity in seen:
            raise Failed(f"the point {dict(point)} is there twice")
        seen.add(identity)
    return f"{len(seen)} points"


def predictions(subject: Subject) -> None:
    """One prediction a sample: a label index or a finite number, with scores, if any, that are probabilities."""
    for point in subject.points:
        subject.configure(point)
        subject.answer(subject.samples)


def modules(subject: Subject) -> str:
    """The networks are in eval mode, and the model's parameters are all found, by `modules()` or on the model."""
    from torch import nn

    from elue.meter import Meter
    from elue.worker.inside.parameters import modules_of, total_parameters

    subject.configure(subject.points[0])
    modules = modules_of(subject.model)
    strange = [type(module).__name__ for module in modules if not isinstance(module, nn.Module)]
    if strange:
        raise Failed(f"modules() gives {', '.join(strange)}, not a torch.nn.Module")
    holders = nn.ModuleList | nn.ModuleDict | nn.ParameterList | nn.ParameterDict  # which compute nothing themselves
    parts = [part for module in modules for part in module.modules() if not isinstance(part, holders)]
    if any(part.training for part in parts):
        raise Failed("a module is in training mode: call .eval() in load")
    total = total_parameters(modules)
    with Meter(profile=subject.profile, modules=modules) as meter:
        subject.model.predict(list(subject.samples[:1]))
    if meter.params_touched > total:
        raise Failed(f"a sample read {meter.params_touched:,} parameters, but only {total:,} are found: add modules()")
    if not modules:
        raise Skipped("the model has no torch module, and reads no parameter")
    return f"{total:,} parameters"
