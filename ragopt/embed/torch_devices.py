"""The torch devices that a model runs on: one, or every CUDA device where `cuda` is asked for."""

from __future__ import annotations

from ragopt.devices import CPU_NAME as CPU
from ragopt.devices import CUDA_NAME, choose_device


def torch_devices(asked: str) -> tuple[str, ...]:
    """Choose by `ragopt.devices.choose_device`; `cuda` means all that are visible, `auto` and `cuda:1` one.

    Raises:
        InputError: there is no such device.
        MissingExtra: a device other than the CPU is asked for and torch is not installed.
    """
    chosen = choose_device(asked)
    if asked != CUDA_NAME:
        return (chosen.name,)
    import torch  # noqa: PLC0415 - loaded when first used

    return tuple(f"{CUDA_NAME}:{number}" for number in range(torch.cuda.device_count()))


__all__ = ["CPU", "torch_devices"]
