"""Virtual environments with the packages that the comparisons run against, and measured processes."""

import os
import pathlib
import subprocess
import venv

DEFAULT_FOLDER = pathlib.Path("~/.cache/narrow-peers").expanduser()
PACKAGES = {
    "onnx": ["numpy", "onnx", "onnxruntime", "openvino"],
    "tensorflow": ["numpy<2", "tensorflow-cpu==2.15.1", "tf-slim==1.1.0"],
}


def environment_python(folder, name):
    """The Python of the environment `name` in `folder`; made with pip at first use."""
    python = folder / name / "bin" / "python"
    mark = folder / name / "complete"
    if not mark.exists():
        print(f"making the environment {name} ...", flush=True)
        venv.create(folder / name, with_pip=True, clear=True)
        subprocess.run([python, "-m", "pip", "install", "-q", *PACKAGES[name]], check=True)
        mark.touch()
    return python


class AnsweringProcess:
    """A process that says "ready" and then answers every line with the seconds a pass took."""

    def __init__(self, name, command):
        self.name = name
        self.process = subprocess.Popen([str(word) for word in command], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)
        ready = self.process.stdout.readline().split()
        if ready[:1] != ["ready"]:
            raise RuntimeError(f"{name} did not start")
        if ready[1:]:
            print(f"{name}: {' '.join(ready[1:])}")

    def ask(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        return float(self.process.stdout.readline())

    def stop(self):
        """Ends the process; gives its peak memory in bytes."""
        self.process.stdin.close()
        _, _, usage = os.wait4(self.process.pid, 0)
        return usage.ru_maxrss * 1024
