"""The loopback phone's files and commands: a folder, Android's shell and tools (mksh, toybox), scripted answers."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import psutil

__all__ = ["DeviceRoot"]

TMP = "/data/local/tmp"
_MAPPED = (TMP, "/sys/devices/system/cpu")

_SCRIPTS = {
    "getprop": 'sed -n "s/^$1=//p" $ANDROID_ROOT/state/properties',
    "dumpsys": "cat $ANDROID_ROOT/state/dumpsys-$1",
    "df": """capacity=$(cat $ANDROID_ROOT/state/capacity_kb)
set -- $(du -sk $ANDROID_ROOT/data)
echo "Filesystem 1K-blocks Used Available Use% Mounted on"
echo "/dev/block/dm-8 $capacity $1 $((capacity - $1)) 50% /data" """,
}

_BATTERY = """Current Battery Service state:
  AC powered: false
  USB powered: true
  Max charging current: 500000
  status: 2
  health: 2
  present: true
  level: {level}
  scale: 100
  voltage: 4210
  temperature: {tenths}
  technology: Li-ion
"""

_THERMAL = """IsStatusOverride: false
ThermalEventListeners:
Thermal Status: {status}
Cached temperatures:
	Temperature{{mValue=31.5, mType=2, mName=battery, mStatus=0}}
HAL Ready: true
Current temperatures from HAL:
	Temperature{{mValue=48.1, mType=0, mName=cpu0, mStatus=0}}
	Temperature{{mValue=36.25, mType=3, mName=skin, mStatus={status}}}
Current cooling devices from HAL:
	CoolingDevice{{mValue=0, mType=2, mName=thermal-cpufreq-0}}
"""


class DeviceRoot:
    """A folder in which commands run as on a phone.

    Args:
        folder: New or empty; its path holds no character that a shell reads.
        abi: The phone's `ro.product.cpu.abi`.

    Attributes:
        folder: As given.
        received: Names of all files that clients began to push.
    """

    def __init__(self, folder: Path, abi: str) -> None:
        self.folder = folder
        self.received: list[str] = []
        for mapped in _MAPPED:
            self.path(mapped).mkdir(parents=True)
        self._state = folder / "state"
        self._state.mkdir()
        (self._state / "properties").touch()
        self._install(folder / "system" / "bin")
        self._set_properties(abi)
        self.set_capacity(4_000_000_000)
        self.set_battery(level=87, celsius=31.2)
        self.set_thermal(0)
        for core, megahertz in enumerate((1800, 2400)):
            frequency = self.path(f"/sys/devices/system/cpu/cpu{core}/cpufreq")
            frequency.mkdir(parents=True)
            (frequency / "scaling_governor").write_text("schedutil\n")
            (frequency / "cpuinfo_max_freq").write_text(f"{megahertz * 1000}\n")

    def path(self, remote: str) -> Path:
        """Where a file of the phone lies here."""
        return self.folder / remote.lstrip("/")

    def set_capacity(self, size: int) -> None:
        """The phone's storage in bytes."""
        (self._state / "capacity_kb").write_text(str(size // 1024))

    def set_battery(self, *, level: int, celsius: float) -> None:
        """What `dumpsys battery` says."""
        (self._state / "dumpsys-battery").write_text(_BATTERY.format(level=level, tenths=round(celsius * 10)))

    def set_thermal(self, status: int) -> None:
        """What `dumpsys thermalservice` says: 0 none, 1 light, 2 moderate, 3 severe."""
        (self._state / "dumpsys-thermalservice").write_text(_THERMAL.format(status=status))

    def set_property(self, name: str, value: str) -> None:
        """What `getprop` says."""
        path = self._state / "properties"
        others = [line for line in path.read_text().splitlines() if not line.startswith(f"{name}=")]
        path.write_text("".join(f"{line}\n" for line in [*others, f"{name}={value}"]))

    def free(self) -> int:
        """Bytes that can still be written."""
        used = sum(path.stat().st_size for path in self.path("/data").rglob("*") if path.is_file())
        return int((self._state / "capacity_kb").read_text()) * 1024 - used

    def left(self) -> list[str]:
        """Names of what lies in the phone's temporary folder."""
        return sorted(path.name for path in self.path(TMP).iterdir())

    def run(self, command: str) -> subprocess.Popen[bytes]:
        """Starts a command as adbd does: by the phone's shell, in `/`, in a session of its own."""
        for mapped in _MAPPED:
            command = command.replace(mapped, str(self.path(mapped)))
        tools = self.folder / "system" / "bin"
        return subprocess.Popen(
            [tools / "sh", "-c", command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=self.folder,
            env={"PATH": str(tools), "ANDROID_ROOT": str(self.folder)},
            start_new_session=True,
        )

    def processes(self) -> list[psutil.Process]:
        """Processes that commands started and that live, in whatever session or group."""
        return [process for process in psutil.process_iter() if self._is_ours(process)]

    def end_processes(self) -> None:
        """Kills what commands left running."""
        for process in self.processes():
            process.kill()

    def _is_ours(self, process: psutil.Process) -> bool:
        try:
            return (
                process.environ().get("ANDROID_ROOT") == str(self.folder) and process.status() != psutil.STATUS_ZOMBIE
            )
        except psutil.Error:
            return False

    def _install(self, tools: Path) -> None:
        tools.mkdir(parents=True)
        toybox, shell = shutil.which("toybox"), shutil.which("mksh")
        assert toybox, "toybox is not installed"
        assert shell, "mksh is not installed"
        for name in subprocess.run([toybox], capture_output=True, text=True, check=True).stdout.split():
            (tools / name).symlink_to(toybox)
        (tools / "sh").symlink_to(shell)
        for name, script in _SCRIPTS.items():
            (tools / name).unlink(missing_ok=True)
            (tools / name).write_text(f"#!{shell}\n{script}\n")
            (tools / name).chmod(0o755)

    def _set_properties(self, abi: str) -> None:
        self.set_property("ro.product.cpu.abi", abi)
        self.set_property("ro.product.cpu.abilist", abi)
        self.set_property("ro.product.manufacturer", "Loopback Inc.")
        self.set_property("ro.product.model", "Loopback")
        self.set_property("ro.build.version.release", "14")
        self.set_property("ro.build.version.sdk", "34")
        self.set_property("ro.soc.model", "LB-1")
