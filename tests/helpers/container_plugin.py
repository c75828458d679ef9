"""Builds a command by Snakemake's container plugin, in an environment of its own: it is not for Snakemake 9.

usage: container_plugin.py COMMAND IMAGE FOLDER [VARIABLE,...] [MOUNT,...]. A program named apptainer must be on PATH.
"""

import sys
from pathlib import Path

from snakemake_interface_software_deployment_plugins import ShellExecutable
from snakemake_software_deployment_plugin_container import Env, EnvSpec, Runtime, Settings


def main(command: str, image: str, folder: str, variables: str = "", mounts: str = "") -> None:
    place = Path(folder)
    environment = Env(
        spec=EnvSpec(image),
        within=None,
        settings=Settings(
            runtime=Runtime.APPTAINER, mountpoints=[each for each in mounts.split(",") if each]
        ),
        shell_executable=ShellExecutable("/bin/bash", "-c"),
        mountpoints=[],
        envvars=sorted({each for each in variables.split(",") if each}),
        tempdir=place / "tmp",
        cache_prefix=place,
        deployment_prefix=place,
        pinfile_prefix=place,
    )
    print(environment.managed_decorate_shellcmd(command))


if __name__ == "__main__":
    main(*sys.argv[1:])
