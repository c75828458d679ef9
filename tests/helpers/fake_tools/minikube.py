"""minikube v1.38: kubernetes/minikube, cmd/minikube/cmd/start.go (runStart, selectDriver, validateBareMetal),
start_flags.go, delete.go, image.go, config/profile_list.go, root.go (--profile); pkg/minikube/reason/reason.go and
exitcodes.go (how a failure is said, and its exit code), pkg/minikube/machine/cache_images.go (`image load` exits with 0
where it failed, too). Lines are those of MINIKUBE_IN_STYLE=false. What a stopped Docker makes it say is from
https://github.com/kubernetes/minikube/issues/18778.
"""

from __future__ import annotations

import json
import tarfile
from pathlib import Path

from fake_tools.machine import (
    DOCKER_DOWN,
    Flags,
    Machine,
    default_kubeconfig,
    dispatch,
    drop_from_kubeconfig,
    fail,
    merge_kubeconfig,
)

machine = Machine.of_environment


def main() -> None:
    dispatch(
        {
            ("profile", "list"): profile_list,
            ("start",): start,
            ("delete",): delete,
            ("image", "load"): image_load,
            ("image", "ls"): image_ls,
        }
    )


def flags_of_all() -> Flags:
    flags = Flags()
    flags.add_argument("-p", "--profile", default="minikube")
    flags.add_argument("-b", "--bootstrapper")
    return flags


def profile_list(arguments: list[str]) -> None:
    flags = flags_of_all()
    flags.add_argument("-o", "--output", default="table")
    flags.switch("-l", "--light")
    assert flags.parse_args(arguments).output == "json", "only JSON is stood in for"
    profiles = {
        name: {"Name": name, "Status": "Skipped", "Active": False, "ActiveKubeContext": False}
        for name in machine().clusters("minikube")
    }
    whole = [name for name in profiles if (machine().folder / "minikube" / name / "config").exists()]
    print(
        json.dumps(
            {
                "invalid": [{**profiles[name], "Config": None} for name in profiles if name not in whole],
                "valid": [{**profiles[name], "Config": {"Name": name}} for name in whole],
            }
        ),
        end="",
    )


def start(arguments: list[str]) -> None:
    flags = flags_of_all()
    flags.add_argument("-d", "--driver", default="")
    flags.values("--cpus", "--memory", "--nodes", "--kubernetes-version", "--container-runtime", "--wait")
    for name in ("--interactive", "--embed-certs", "--dry-run", "--keep-context", "--force"):
        flags.switch(name)
    given = flags.parse_args(arguments)
    profile = machine().folder / "minikube" / given.profile
    print("* minikube v1.38.1 on Debian 12.5 (amd64)")
    select_driver(given.driver, given.profile)
    if given.dry_run == "true":
        print("* dry-run validation complete!")
        return
    print(f'* Starting "{given.profile}" primary control-plane node in "{given.profile}" cluster', flush=True)
    machine().begin_cluster("minikube", given.profile)
    if machine().has_trouble("create"):
        fail(
            "X Exiting due to GUEST_PROVISION: error provisioning guest: Failed to start host: creating host: "
            "create: creating: create kic node: create container: exit status 125",
            80,
        )
    (profile / "config").write_text(given.driver)
    merge_kubeconfig(default_kubeconfig(), machine().kubeconfig(given.profile, given.profile))
    print(
        f'* Done! kubectl is now configured to use "{given.profile}" cluster and "default" namespace by default'
    )


def select_driver(driver: str, profile: str) -> None:
    if driver == "none":
        print("* Using the none driver based on user configuration")
        if profile != "minikube":
            fail(
                "X Exiting due to DRV_UNSUPPORTED_PROFILE: The 'none driver does not support multiple profiles: "
                "https://minikube.sigs.k8s.io/docs/reference/drivers/none/",
                56,
            )
        return
    if driver not in ("", "docker"):
        fail(
            f"X Exiting due to DRV_UNSUPPORTED_OS: The driver '{driver}' is not supported on linux/amd64", 56
        )
    print(f"* {'Using' if driver else 'Automatically selected'} the docker driver")
    if not machine().has_trouble("docker-down"):
        return
    if driver:
        fail(
            'X Exiting due to PROVIDER_DOCKER_NOT_RUNNING: "docker version --format <no value>-<no value>:<no '
            f'value>" exit status 1: {DOCKER_DOWN}\n'
            "* Suggestion: Start the Docker service\n"
            "* Documentation: https://minikube.sigs.k8s.io/docs/drivers/docker/",
            63,
        )
    fail(
        "X Exiting due to DRV_DOCKER_NOT_RUNNING: Found docker, but the docker service isn't running. Try "
        "restarting the docker service.",
        55,
    )


def delete(arguments: list[str]) -> None:
    flags = flags_of_all()
    flags.switch("--all")
    flags.switch("--purge")
    flags.add_argument("-o", "--output")
    profile = flags.parse_args(arguments).profile
    if machine().has_trouble("delete"):
        fail("X Exiting due to GUEST_DELETION: Failed to delete profile(s): docker: exit status 1", 80)
    print(f'* Deleting "{profile}" in docker ...')
    machine().remove_cluster("minikube", profile)
    drop_from_kubeconfig(default_kubeconfig(), profile)
    print(f'* Removed all traces of the "{profile}" cluster.')


def image_load(arguments: list[str]) -> None:
    flags = flags_of_all()
    for name in ("--daemon", "--remote", "--pull", "--overwrite"):
        flags.switch(name)
    flags.add_argument("images", nargs="+")
    given = flags.parse_args(arguments)
    for image in given.images:
        if machine().has_trouble("load"):
            return
        try:
            machine().take_image("minikube", given.profile, Path(image))
        except (OSError, tarfile.TarError, KeyError):
            return


def image_ls(arguments: list[str]) -> None:
    flags = flags_of_all()
    flags.add_argument("--format", default="short")
    for name in machine().images("minikube", flags.parse_args(arguments).profile):
        host = name.partition("/")[0]
        print(name if "." in host or host == "localhost" else f"docker.io/{name}")
