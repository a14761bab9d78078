"""Whether the hub of models and data sets can be reached, asked once: its libraries retry for minutes."""

from __future__ import annotations

REACH_SECONDS = 10
"""How long the hub may take to answer at all."""


def out_of_reach() -> str:
    """Why the hub cannot be reached from here, in one line; empty where it answers, or nobody may ask (offline)."""
    from huggingface_hub import constants, get_session

    if constants.HF_HUB_OFFLINE:
        return ""
    try:
        get_session().head(constants.ENDPOINT, timeout=REACH_SECONDS)
    except Exception as error:  # the HTTP library behind the session is huggingface_hub's own business
        return f"{constants.ENDPOINT} cannot be reached: {line_of(error)}"
    return ""


def line_of(error: Exception) -> str:
    """What an error says, in one line; its class where it says nothing."""
    return " ".join(str(error).split()).rstrip(".") or type(error).__name__
