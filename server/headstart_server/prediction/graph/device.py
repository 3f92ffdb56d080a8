"""The device of the models: chosen once, from the settings and the hardware."""

from __future__ import annotations

import torch

from headstart_server.runtime.errors import StartupError


def choose_device(choice: str) -> str:
    """The device for a setting: "cpu", "cuda", "cuda:N", or "auto" for the first GPU if there is one.

    Raises StartupError for a GPU that does not exist.
    """
    if choice == "auto":
        return "cuda:0" if torch.cuda.is_available() else "cpu"
    if choice == "cpu":
        return choice
    _, _, number = choice.partition(":")
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if int(number or 0) >= count:
        has = f"{count} GPU{'' if count == 1 else 's'}" if count else "no GPU that torch can use"
        raise StartupError(f"HEADSTART_DEVICE={choice}: this machine has {has}; use cpu or auto")
    return f"cuda:{int(number or 0)}"
