"""Tasks whose texts and labels are made here. Whoever can import this has the answers: no worker sees this folder."""

from pathlib import Path

FOLDER = Path(__file__).parent
