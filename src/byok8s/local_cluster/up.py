"""`byok8s cluster up`: what is missing of a cluster on this machine with an S3 server beside it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from msgspec.structs import replace

from byok8s.errors import ClusterError, InputError
from byok8s.local_cluster import address, images, nodes, s3_process, state
from byok8s.local_cluster.choose import choose, drivers
from byok8s.local_cluster.drivers import Driver
from byok8s.local_cluster.home import Home
from byok8s.local_cluster.images import Image
from byok8s.local_cluster.state import ClusterState
from byok8s.s3 import Bucket
from byok8s.s3.embedded import find_weed

Say = Callable[[str], None]


@dataclass(frozen=True)
class Wish:
    """What the user says of the cluster; None if nothing was said.

    image: of the pods. archive: a file that has it.
    """

    driver: str | None = None
    minikube_driver: str | None = None
    image: str | None = None
    archive: Path | None = None


def up(home: Home, wish: Wish, default_image: str, say: Say) -> None:
    """Make what is missing; at once where nothing is.

    default_image: of the pods where none is wished. say: is told what is done, and each line that the tools say.
    Raises InputError for a wish that cannot be fulfilled, ClusterError or BucketError for what fails: then what was
    half made is removed, or named.
    """
    wish = _checked(wish)
    archived = images.read(wish.archive, wish.image) if wish.archive else None
    find_weed()
    with home.alone():
        noted = state.read(home.state)
        if noted:
            _check_same(noted, wish)
        driver = _driver(home, noted, wish, say)
        noted = noted or _begin(home, driver, wish)
        cluster = _if_ready(home) if noted.ready else None
        if cluster is None:
            cluster = _started(home, driver, noted, say)
            noted = replace(noted, ready=True, loaded=None)
            state.write(home.state, noted)
        _s3(home, cluster, say)
        asked_for = (archived.name if archived else wish.image) or noted.image
        image = archived or images.find(asked_for or default_image, say)
        loaded = _loaded(home, driver, noted, image, say)
        state.write(home.state, replace(noted, image=asked_for, loaded=loaded))
        if not loaded:
            name = asked_for or default_image
            say(f"The image {name} is not on this machine: the cluster fetches it for the first job.")


def _checked(wish: Wish) -> Wish:
    if not wish.minikube_driver:
        return wish
    if wish.driver not in (None, "minikube"):
        raise InputError(
            f"--minikube-driver says nothing to {wish.driver}.", hint="Leave one of the two out."
        )
    return Wish("minikube", wish.minikube_driver, wish.image, wish.archive)


def _check_same(noted: ClusterState, wish: Wish) -> None:
    if wish.driver in (None, noted.driver) and wish.minikube_driver in (None, noted.minikube_driver):
        return
    raise InputError(
        f"There is a local cluster already, made with {_words(noted.driver, noted.minikube_driver)}.",
        hint="Use that one, or remove it first: byok8s cluster down",
    )


def _words(driver: str, minikube_driver: str | None) -> str:
    return f"{driver}, its driver {minikube_driver}" if minikube_driver else driver


def _driver(home: Home, noted: ClusterState | None, wish: Wish, say: Say) -> Driver:
    if noted:
        return drivers(home.kubeconfig, say, noted.minikube_driver)[noted.driver]
    return choose(drivers(home.kubeconfig, say, wish.minikube_driver), wish.driver)


def _begin(home: Home, driver: Driver, wish: Wish) -> ClusterState:
    exists = driver.exists()
    if exists and driver.own_cluster:
        raise ClusterError(
            f"{driver.name} has a cluster named {driver.cluster} that byok8s knows nothing of.",
            hint=f"If you do not need it: {driver.removal}\nElse take another tool with --driver.",
        )
    noted = ClusterState(driver=driver.name, minikube_driver=wish.minikube_driver, made=not exists)
    state.write(home.state, noted)
    return noted


def _if_ready(home: Home) -> nodes.LocalCluster | None:
    """The cluster, where it answers and takes pods."""
    try:
        cluster = nodes.ask(home.kubeconfig)
    except (ClusterError, InputError):
        return None
    return cluster if cluster.ready else None


def _started(home: Home, driver: Driver, noted: ClusterState, say: Say) -> nodes.LocalCluster:
    """The cluster, once it takes pods."""
    if noted.made and not noted.ready and driver.exists():
        say("An earlier `byok8s cluster up` did not come to its end: what it left is removed.")
        driver.down()
    say(f"{driver.name} starts the cluster {driver.cluster}:")
    try:
        driver.up()
        return nodes.await_ready(home.kubeconfig)
    except ClusterError as error:
        if noted.ready:
            raise
        raise _undone(home, driver, noted, error) from error
    except KeyboardInterrupt:
        say("Interrupted. The same command goes on; `byok8s cluster down` removes what there is.")
        raise


def _undone(home: Home, driver: Driver, noted: ClusterState, error: ClusterError) -> ClusterError:
    """The error, with what became of what was half made."""
    left = "Nothing of it is left." if noted.made else ""
    try:
        if noted.made and driver.exists():
            driver.down()
        home.state.unlink()
        home.kubeconfig.unlink(missing_ok=True)
    except ClusterError as second:
        left = f"What there is of it could not be removed: {second}\n`byok8s cluster down` tries again."
    hint = "\n".join(part for part in (error.hint, left) if part)
    return ClusterError(error.what, where=error.where, hint=hint)


def _s3(home: Home, cluster: nodes.LocalCluster, say: Say) -> None:
    node, before = cluster.nodes[0], s3_process.bucket(home.s3)
    if before and _host(before) in address.possible(node) and not s3_process.why_not_usable(home.s3):
        return
    s3_process.stop(home.s3)
    bucket = s3_process.start(address.for_pods(node), home.s3)
    say(f"An S3 server runs at {bucket.endpoint_url}.")
    if before and before != bucket:
        same = _host(before) == _host(bucket)
        why = "another program has its port now" if same else "the network is another"
        say(f"It was at {before.endpoint_url}: {why}.")


def _host(bucket: Bucket) -> str | None:
    return urlsplit(bucket.endpoint_url or "").hostname


def _loaded(home: Home, driver: Driver, noted: ClusterState, image: Image | None, say: Say) -> str | None:
    """The id of the image that is in the cluster, where one was put there."""
    if image is None or image.id == noted.loaded:
        return noted.loaded
    say(f"{driver.name} takes the image {image.name}, of {image.place}:")
    with images.as_archive(image, home.folder, say) as archive:
        driver.load(archive, image.name)
    return image.id
