"""What this machine is: its system, processor, memory and GPUs, without TensorFlow."""

import os
import platform
import re
import shutil
import subprocess
from pathlib import Path

from brnn.config.processor import CPUINFO, core_count
from brnn.terminal.numbers import size

FEATURES = re.compile(r"(sse4_[12]|avx\w*|fma|f16c|amx\w*|neon|asimd\w*|sve\w*|bf16|i8mm)")
OS_RELEASE = Path("/etc/os-release")


def rows() -> dict[str, str]:
    """Return the properties of this machine, each with its value."""
    return {
        "system": _system(),
        "processor": _cpu_line("model name") or platform.processor() or platform.machine(),
        "features": ", ".join(features()) or "unknown",
        "cores": f"{core_count()} permitted of {os.cpu_count()}",
        "memory": _memory(),
        "GPUs": _gpus(),
    }


def features() -> list[str]:
    """Return the vector and matrix extensions of the processor, sorted; empty if unknown."""
    words = (_cpu_line("flags") or _cpu_line("Features")).split()
    return sorted({word for word in words if FEATURES.fullmatch(word)})


def _cpu_line(name: str) -> str:
    """Return a field of the first processor in `/proc/cpuinfo`; empty where there is none."""
    text = CPUINFO.read_text() if CPUINFO.exists() else ""
    line = re.search(rf"^{name}\s*: (.*)$", text, re.MULTILINE)
    return line[1] if line else ""


def _system() -> str:
    text = OS_RELEASE.read_text() if OS_RELEASE.exists() else ""
    name = re.search(r'^PRETTY_NAME="?([^"\n]+)', text, re.MULTILINE)
    kernel = f"{platform.system()} {platform.release()} {platform.machine()}"
    return f"{name[1]}, {kernel}" if name else kernel


def _memory() -> str:
    try:
        page = os.sysconf("SC_PAGE_SIZE")
        total, free = (page * os.sysconf(f"SC_{name}PHYS_PAGES") for name in ("", "AV"))
    except (ValueError, OSError):  # not on every system
        return "unknown"
    return f"{size(total)}, {size(free)} unused"


def _gpus() -> str:
    """Return the GPUs that the driver of NVIDIA lists, or that there is none."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return "none with a driver (no nvidia-smi)"
    query = [program, "--query-gpu=name,memory.total", "--format=csv,noheader"]
    done = subprocess.run(query, capture_output=True, text=True, check=False)
    return "; ".join(done.stdout.splitlines()) if done.returncode == 0 else "nvidia-smi fails"
