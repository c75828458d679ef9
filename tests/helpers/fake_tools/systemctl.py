"""systemctl, for the unit k3s.service that k3s's install.sh makes: systemctl(1) of systemd 252. `is-active` exits with
3 for a unit that is not active; `cat` with 1 where there is no such unit.
"""

from __future__ import annotations

from fake_tools.machine import Machine, dispatch, fail

machine = Machine.of_environment
UNIT = "k3s.service"


def main() -> None:
    dispatch({("cat", UNIT): cat, ("is-active", UNIT): is_active, ("start", UNIT): start})


def cat(_: list[str]) -> None:
    if machine().has_trouble("no-service"):
        fail(f"No files found for {UNIT}.", 1)
    print(f"# /etc/systemd/system/{UNIT}\n[Unit]\nDescription=Lightweight Kubernetes")


def is_active(_: list[str]) -> None:
    active = UNIT in machine().clusters("k3s")
    print("active" if active else "inactive")
    raise SystemExit(0 if active else 3)


def start(_: list[str]) -> None:
    if machine().has_trouble("create"):
        fail(
            f"Job for {UNIT} failed because the control process exited with error code.\n"
            f'See "systemctl status {UNIT}" and "journalctl -xeu {UNIT}" for details.',
            1,
        )
    machine().begin_cluster("k3s", UNIT)
