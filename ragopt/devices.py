"""Where work runs: the device that was asked for, the one that was chosen, and why.

torch is imported only where a device other than the CPU was asked for, or where a driver shows one: a sweep on a
machine without an accelerator never waits for torch.
"""

from __future__ import annotations

import ctypes
import importlib.metadata
import importlib.util
import platform
import re
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from ragopt.errors import InputError, MissingExtra

if TYPE_CHECKING:
    from collections.abc import Mapping

Trainer = Literal["faiss", "torch", "faiss-gpu"]

AUTO, CPU_NAME, CUDA_NAME, MPS_NAME = "auto", "cpu", "cuda", "mps"

ALLOWED = re.compile(r"auto|cpu|mps|cuda(?::[0-9]{1,3})?", re.ASCII)
ALLOWED_WORDS = "auto, cpu, cuda, cuda:N or mps"

FAISS_GPU_WHEELS = ("faiss-gpu", "faiss-gpu-cuvs")
"""Wheels of FAISS 1.15 with code for CUDA, under the same module name as `faiss-cpu`."""

ROCM_DEVICE = Path("/dev/kfd")
"""The character device of AMD's compute driver (Linux kernel, amdkfd)."""

CUDA_LIBRARIES = ("libcuda.so.1", "libcuda.so") if sys.platform != "win32" else ("nvcuda.dll",)
"""The library that NVIDIA's driver installs; present without any toolkit."""


@dataclass(frozen=True, slots=True)
class Driver:
    """What an accelerator's driver says, asked without torch.

    Attributes:
        n_devices: that it shows. what: its kind and version in words, `CUDA 12.4` for example.
    """

    n_devices: int
    what: str


@dataclass(frozen=True, slots=True)
class Device:
    """The device that work runs on.

    Attributes:
        asked: as it was typed. name: as torch writes it: `cpu`, `cuda:0` or `mps`.
        label: the device in its maker's words; empty for the CPU.
        why: the reason of the choice, in words.
        trainer: what trains product quantizers and looks for exact neighbours there.
    """

    asked: str = CPU_NAME
    name: str = CPU_NAME
    label: str = ""
    why: str = "asked for"
    trainer: Trainer = "faiss"

    @property
    def number(self) -> int:
        """Of a CUDA device, as CUDA counts; 0 for others."""
        return int(self.name.partition(":")[2] or 0)

    @property
    def is_cpu(self) -> bool:
        """Whether everything runs on the CPU."""
        return self.name == CPU_NAME

    def printed(self) -> str:
        """The choice and its reason in one line.

        >>> Device("auto", why="no accelerator is there").printed()
        'cpu (--device auto: no accelerator is there)'
        """
        label = f", {self.label}" if self.label else ""
        return f"{self.name}{label} (--device {self.asked}: {self.why})"

    def as_json(self) -> Mapping[str, str]:
        """The record of ``run.json``."""
        return asdict(self)


CPU = Device()


def choose_device(asked: str = AUTO) -> Device:
    """Choose the device that is asked for, or for `auto` an accelerator that torch can use, else the CPU.

    Raises:
        InputError: the text names no device, or one that is not there or that this torch cannot use.
        MissingExtra: a device other than the CPU is asked for and torch is not installed.
    """
    check_device_name(asked)
    if asked == CPU_NAME:
        return CPU
    return _chosen_freely() if asked == AUTO else _chosen_by_name(asked)


def check_device_name(asked: object) -> None:
    """Raise InputError for what names no device; whether the device is there is not looked at."""
    if not isinstance(asked, str) or not ALLOWED.fullmatch(asked):
        raise InputError(f"--device {asked!r} names no device", allowed=ALLOWED_WORDS, next_step="Correct the device")


def _chosen_freely() -> Device:
    driver = accelerator_driver()
    if driver is None:
        return Device(AUTO, why="no accelerator is there")
    if importlib.util.find_spec("torch") is None:
        if faiss_gpus():
            return _on_faiss(AUTO, 0, "the first GPU that the installed FAISS can use")
        return Device(AUTO, why=f"{driver.what} is there, but torch is not installed: pip install 'ragopt[gpu]'")
    import torch  # noqa: PLC0415 - loaded when first used

    present = _present(torch)
    if not present:
        if faiss_gpus():
            return _on_faiss(AUTO, 0, f"the first GPU that the installed FAISS can use; {unusable(torch, driver)}")
        return Device(AUTO, why=unusable(torch, driver))
    return _on(torch, AUTO, present[0], "the first accelerator that torch can use")


def _chosen_by_name(asked: str) -> Device:
    number = int(asked.partition(":")[2] or 0)
    if importlib.util.find_spec("torch") is None:
        if asked != MPS_NAME and number < faiss_gpus():
            return _on_faiss(asked, number, "asked for")
        raise MissingExtra.for_extra(f"--device {asked}", "gpu")
    import torch  # noqa: PLC0415 - loaded when first used

    present = _present(torch)
    wanted = f"{CUDA_NAME}:0" if asked == CUDA_NAME else asked
    if wanted in present:
        return _on(torch, asked, wanted, "asked for")
    driver = accelerator_driver()
    reason = f": torch {torch.__version__} is {_built_for(torch)}" if driver is None and asked != MPS_NAME else ""
    if driver is not None and not present:
        reason = f": {unusable(torch, driver)}"
    raise InputError(
        f"There is no device {asked!r} on this machine{reason}",
        allowed=", ".join((AUTO, CPU_NAME, *present)),
        next_step="Choose one of these with --device, or install a torch build for your accelerator",
    )


def unusable(torch: Any, driver: Driver) -> str:
    """Why torch cannot use an accelerator that its driver shows."""
    return f"{driver.what} is there, but torch {torch.__version__} is {_built_for(torch)} and cannot use it"


def _built_for(torch: Any) -> str:
    built = torch.version.cuda or getattr(torch.version, "hip", None)
    return f"built for {'CUDA' if torch.version.cuda else 'ROCm'} {built}" if built else "built for the CPU only"


def _present(torch: Any) -> list[str]:
    found = (
        [f"{CUDA_NAME}:{number}" for number in range(torch.cuda.device_count())] if torch.cuda.is_available() else []
    )
    return [*found, MPS_NAME] if torch.backends.mps.is_available() else found


def _on(torch: Any, asked: str, name: str, why: str) -> Device:
    if not name.startswith(CUDA_NAME):
        return Device(asked, name, "Apple GPU", why, "torch")
    by_faiss = int(name.partition(":")[2]) < faiss_gpus()
    return Device(asked, name, torch.cuda.get_device_name(name), why, "faiss-gpu" if by_faiss else "torch")


def _on_faiss(asked: str, number: int, why: str) -> Device:
    return Device(asked, f"{CUDA_NAME}:{number}", "", why, "faiss-gpu")


def faiss_gpus() -> int:
    """GPUs that the installed FAISS can use; 0 for `faiss-cpu`, and for `faiss-gpu` on a machine without one.

    FAISS is imported only where a wheel of it for GPUs is installed.
    """
    if not any(_is_installed(name) for name in FAISS_GPU_WHEELS):
        return 0
    import faiss  # noqa: PLC0415 - loaded when first used

    if not hasattr(faiss, "StandardGpuResources") or "GPU" not in faiss.get_compile_options().split():
        return 0
    try:
        return int(faiss.get_num_gpus())
    except RuntimeError:  # a driver that is too old, or that lost its device
        return 0


def _is_installed(distribution: str) -> bool:
    try:
        importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


def accelerator_driver() -> Driver | None:
    """Ask the drivers, not torch, whether an accelerator is there; milliseconds where none is."""
    cuda = _cuda_driver()
    if cuda is not None:
        return cuda
    if ROCM_DEVICE.exists():
        return Driver(1, "AMD's compute driver")
    if sys.platform == "darwin" and platform.machine() == "arm64":
        return Driver(1, "Apple's GPU")
    return None


def _cuda_driver() -> Driver | None:
    """Number of devices and version by NVIDIA's driver API (cuInit, cuDeviceGetCount, cuDriverGetVersion)."""
    for name in CUDA_LIBRARIES:
        try:
            library = ctypes.CDLL(name)
        except OSError:
            continue
        count, version = ctypes.c_int(), ctypes.c_int()
        if library.cuInit(0) or library.cuDeviceGetCount(ctypes.byref(count)) or not count.value:
            return None  # a library without a device, as in many containers
        library.cuDriverGetVersion(ctypes.byref(version))
        # 12040 is 12.4 (CUDA driver API, cuDriverGetVersion).
        return Driver(count.value, f"a GPU with CUDA {version.value // 1000}.{version.value % 1000 // 10}")
    return None
