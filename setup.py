"""What pyproject.toml cannot say: a wheel carries the shipped configurations inside the package."""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py


class WithConfigurations(build_py):
    def run(self) -> None:
        super().run()
        if not self.editable_mode:  # an editable installation reads the checkout's own
            package = Path(self.build_lib) / "progan_style"
            shutil.copy("hyperparameters.yaml", package)
            shutil.copytree("configs", package / "configs", dirs_exist_ok=True)


setup(cmdclass={"build_py": WithConfigurations})
