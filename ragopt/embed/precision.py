"""The precision that a model's weights are held in, and the half one that is worth trying on a device."""

from __future__ import annotations

from typing import Any, Literal

from ragopt.errors import InputError

Precision = Literal["fp32", "fp16", "bf16"]

DTYPES: dict[Precision, str] = {"fp32": "torch.float32", "fp16": "torch.float16", "bf16": "torch.bfloat16"}
"""As torch prints them."""

FAST_HALF, FAST_BF16 = (7, 0), (8, 0)
"""CUDA compute capabilities from which tensor cores multiply fp16 and bf16 (CUDA C++ Programming Guide, table of
features by compute capability). Below, half gains little and is as good as never."""


def cast(model: Any, precision: Precision) -> Any:
    """Bring a torch model's weights to a precision, in place."""
    import torch  # noqa: PLC0415 - loaded when first used

    return model.to(getattr(torch, DTYPES[precision].removeprefix("torch.")))


def precision_called(dtype: str) -> Precision:
    """The precision of a dtype as torch prints it, ``torch.float16`` for example.

    Raises:
        InputError: no precision of that name.
    """
    for precision, name in DTYPES.items():
        if name == dtype:
            return precision
    raise InputError(f"Weights of {dtype} are of no known precision", allowed=", ".join(DTYPES.values()),
                     next_step="Sweep again")  # fmt: skip


def half_worth_trying(model: Any, device: str) -> Precision | None:
    """Name the half precision to check a float32 model in; None on a CPU, on old GPUs and for a model of another kind.

    fp16 rounds by 2^-11, bf16 by 2^-8 (IEEE 754 binary16; Kalamkar 2019, arXiv 1905.12322), so fp16 comes first; bf16,
    which has the range of float32, is for models that were trained in it.

    Args:
        model: a sentence-transformers model.
        device: as torch writes it.
    """
    import torch  # noqa: PLC0415 - loaded when first used

    if device == "cpu" or next(model.parameters()).dtype != torch.float32:
        return None
    trained_in_bf16 = trained_dtype(model) == torch.bfloat16
    if device.startswith("cuda"):
        capability = torch.cuda.get_device_capability(device)
        if capability < (FAST_BF16 if trained_in_bf16 else FAST_HALF):
            return None
    return "bf16" if trained_in_bf16 else "fp16"


def trained_dtype(model: Any) -> Any:
    """The torch dtype that a model's files name, or None."""
    config = transformer_config(model)
    named = getattr(config, "dtype", None) or getattr(config, "torch_dtype", None)
    if isinstance(named, str):
        import torch  # noqa: PLC0415 - loaded when first used

        return getattr(torch, named, None)
    return named


def transformer_config(model: Any) -> Any:
    """The configuration of a sentence-transformers model's transformer; None where there is none."""
    return next((part.config for part in model.modules() if hasattr(part, "config")), None)
