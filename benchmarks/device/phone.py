"""What a phone is: the facts that stand beside every number measured on it, and whether it can run a bundle."""

from __future__ import annotations

import re
from dataclasses import dataclass

from benchmarks.device.failure import DeviceError, Failure
from benchmarks.device.phone_shell import PhoneShell
from benchmarks.device.thermal import ThermalState, read_thermal

__all__ = ["ARCHITECTURES", "TEMPORARY", "Core", "PhoneFacts", "check_phone", "read_phone"]

TEMPORARY = "/data/local/tmp"
"""The folder in which adb's user may write and run programs."""

ARCHITECTURES = {"arm64-v8a": ("arm64", "android"), "x86_64": ("host",)}
"""Builds of the runner that an ABI takes, the preferred one first: of phones, and of emulators on a PC."""

_OLDEST_SDK = 26  # Android 8: the first whose shell has sha256sum, setsid and tail as used here
_PROPERTIES = {
    "manufacturer": "ro.product.manufacturer",
    "model": "ro.product.model",
    "abi": "ro.product.cpu.abi",
    "android": "ro.build.version.release",
    "sdk": "ro.build.version.sdk",
    "chip": "ro.soc.model",
    "platform": "ro.board.platform",
}
_CORES = (
    "for core in /sys/devices/system/cpu/cpu[0-9]*; do "
    'echo "core ${core##*/cpu} $(cat $core/cpufreq/cpuinfo_max_freq) $(cat $core/cpufreq/scaling_governor)"; done'
)


@dataclass(frozen=True)
class Core:
    """One core of a phone's CPU.

    Attributes:
        number: As affinities name it.
        max_mhz: Highest clock; None where the phone does not say.
        governor: What sets its clock, or empty.
    """

    number: int
    max_mhz: int | None
    governor: str


@dataclass(frozen=True)
class PhoneFacts:
    """A phone at one moment.

    Attributes:
        serial: Its name for adb.
        manufacturer: As it says itself, as all that follows; empty where it does not.
        model: Likewise.
        abi: Of its programs: `arm64-v8a`, or of an emulator `x86_64`.
        android: Version.
        sdk: Number of the same; 0 where not known.
        chip: Of the system on a chip.
        cores: Of its CPU, by number.
        memory_bytes: Main memory; None where not known.
        free_bytes: What fits into its temporary folder.
        thermal: Heat and battery.
    """

    serial: str
    manufacturer: str
    model: str
    abi: str
    android: str
    sdk: int
    chip: str
    cores: tuple[Core, ...]
    memory_bytes: int | None
    free_bytes: int
    thermal: ThermalState

    @property
    def name(self) -> str:
        """Manufacturer and model."""
        doubled = self.model.lower().startswith(self.manufacturer.lower())
        return self.model if doubled and self.model else f"{self.manufacturer} {self.model}".strip() or self.serial


def read_phone(phone: PhoneShell) -> PhoneFacts:
    """Asks a phone what it is.

    Raises:
        DeviceError: The connection is lost, or its storage cannot be read.
    """
    asked = "; ".join(f'echo "{name} $(getprop {key})"' for name, key in _PROPERTIES.items())
    said = dict(line.partition(" ")[::2] for line in phone.shell(asked).out.splitlines())
    memory = re.search(r"MemTotal:\s+(\d+) kB", phone.shell("cat /proc/meminfo", check=False).out)
    cores = re.findall(r"^core (\d+) (\d*) ?(\S*)$", phone.shell(_CORES, check=False).out, re.MULTILINE)
    return PhoneFacts(
        serial=phone.serial,
        manufacturer=said["manufacturer"],
        model=said["model"],
        abi=said["abi"],
        android=said["android"],
        sdk=int(said["sdk"] or 0),
        chip=said["chip"] or said["platform"],
        cores=tuple(
            Core(number, int(khz) // 1000 if khz else None, governor)
            for number, khz, governor in sorted((int(number), khz, governor) for number, khz, governor in cores)
        ),
        memory_bytes=int(memory[1]) * 1024 if memory else None,
        free_bytes=_free_bytes(phone),
        thermal=read_thermal(phone),
    )


def _free_bytes(phone: PhoneShell) -> int:
    out = phone.shell(f"df -k {TEMPORARY}").out
    columns = out.strip().splitlines()[-1].split()
    try:
        return int(columns[3]) * 1024
    except (IndexError, ValueError):
        raise DeviceError(Failure.UNSUITABLE, f"phone {phone.serial}: cannot read df's answer", found=out) from None


def check_phone(facts: PhoneFacts, need_bytes: int, abis: tuple[str, ...] = tuple(ARCHITECTURES)) -> None:
    """Refuses a phone that cannot run what is to be run.

    Args:
        facts: Of the phone.
        need_bytes: What is to be written to it.
        abis: That there are programs for.

    Raises:
        DeviceError: With the first thing that does not fit.
    """
    name = f"phone {facts.serial} ({facts.name})"
    if facts.abi not in abis:
        raise DeviceError(Failure.UNSUITABLE, name, expected=f"ABI {' or '.join(abis)}", found=facts.abi or "none")
    if facts.sdk < _OLDEST_SDK:
        raise DeviceError(
            Failure.UNSUITABLE, name, expected="Android 8 or later", found=f"Android {facts.android} (SDK {facts.sdk})"
        )
    if facts.free_bytes < need_bytes:
        raise DeviceError(
            Failure.NO_SPACE,
            f"{name} is full",
            expected=f"{need_bytes / 1e6:.0f} MB in {TEMPORARY}",
            found=f"{facts.free_bytes / 1e6:.0f} MB",
            remedy="free some space on the phone, or take a shorter or smaller clip",
        )
