"""Run by tests in processes of its own: ``processes.py CONFIG FOLDER [STEP]``; at STEP the process kills itself."""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

from vsvfi.train import trainer
from vsvfi.train.config import parse_config


def main(config: str, folder: str, step: str = "") -> None:
    """Train MIND."""
    if step:
        made = trainer._Trainer.train_step

        def killing(self: Any, parts: Any) -> dict[str, float]:
            if self.step == int(step):
                os.kill(os.getpid(), signal.SIGKILL)
            return made(self, parts)

        trainer._Trainer.train_step = killing  # type: ignore[method-assign]
    trainer.train("figan", parse_config(json.loads(Path(config).read_text())), Path(folder))


if __name__ == "__main__":
    main(*sys.argv[1:])
