"""Where a finished run is worked on again: its own trainer, on the device that is here."""

from __future__ import annotations

import importlib.util
from dataclasses import replace
from typing import TYPE_CHECKING

from ragopt.devices import AUTO, CPU, Device, choose_device

if TYPE_CHECKING:
    from ragopt.records import Run


def device_for_run(run: Run, asked: str = AUTO) -> Device:
    """Choose a device here, and let what trained the run's indexes train them again.

    A run that was swept on an accelerator is built on the CPU by the same code, torch's, so that it gives the same
    codes but for rounding; without torch FAISS trains, and the built index is measured again either way.

    Raises:
        InputError, MissingExtra: as `choose_device`.
    """
    device = choose_device(asked)
    # Before run.json kept its device, FAISS trained every run.
    swept = run.info.get("device") or CPU.as_json()
    if swept["trainer"] == device.trainer:
        return device
    if swept["trainer"] == "faiss-gpu":
        where = f"the run was swept on {swept['name']} with FAISS's GPU code, which sees no GPU here"
        return replace(device, trainer="faiss", why=f"{device.why}; {where}: FAISS trains on the CPU instead")
    if swept["trainer"] == "faiss":
        return replace(device, trainer="faiss", why=f"{device.why}; FAISS trains on the CPU, as for the run")
    where = f"the run was swept on {swept['name']}" + (f", {swept['label']}" if swept["label"] else "")
    if importlib.util.find_spec("torch") is None:
        return replace(device, why=f"{device.why}; {where}, and torch is not installed here: FAISS trains instead")
    return replace(device, trainer="torch", why=f"{device.why}; {where}: torch trains here as it did there")
