"""`byok8s cluster down`: the cluster and the S3 server are removed; the bucket's content only when that is said."""

from __future__ import annotations

import shutil
from collections.abc import Callable

from byok8s.local_cluster import s3_process, state
from byok8s.local_cluster.choose import drivers
from byok8s.local_cluster.home import Home


def down(home: Home, *, purge: bool, say: Callable[[str], None]) -> None:
    """purge: remove what is in the bucket, and its keys, too.

    Raises ClusterError or BucketError for what cannot be removed: it can be tried again.
    """
    with home.alone():
        noted = state.read(home.state)
        if noted:
            driver = drivers(home.kubeconfig, say, noted.minikube_driver)[noted.driver]
            if noted.made:
                say(f"{driver.name} removes the cluster {driver.cluster}:")
                driver.down()
            else:
                say(f"{driver.cluster} ran before `byok8s cluster up`, and stays.")
        elif not s3_process.is_running(home.s3):
            say("There is no local cluster.")
        s3_process.stop(home.s3)
        for file in (home.kubeconfig, home.state):
            file.unlink(missing_ok=True)
        if home.s3.is_dir():
            stays = f"What is in the bucket stays in {home.s3}; `byok8s cluster down --purge` removes it."
            say("What was in the bucket is removed." if purge else stays)
        if purge:
            shutil.rmtree(home.folder, ignore_errors=True)
