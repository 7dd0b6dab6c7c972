"""`training/network`: a run must not depend on what a server says that day."""

from __future__ import annotations

from collections.abc import Iterator

from countermark.checks.training._program import Program
from countermark.checks.training._rule import Hit, Rule

_CLIENTS = (
    "urllib.request.*", "urllib2.*", "urllib3.*", "http.client.*", "requests.*", "httpx.*", "aiohttp.*", "socket.socket", "socket.create_connection",
    "ssl.wrap_socket", "ftplib.*", "smtplib.*", "poplib.*", "imaplib.*", "telnetlib.*", "xmlrpc.client.*", "paramiko.*", "wget.download", "gdown.*",
    "boto3.*", "botocore.*", "google.cloud.*", "azure.storage.*", "pooch.*", "asyncio.open_connection", "websockets.*", "websocket.*", "pycurl.*",
    "torch.hub.download_url_to_file", "torch.hub.load_state_dict_from_url", "torch.utils.model_zoo.load_url", "torchvision.datasets.utils.download_url",
    "keras.utils.get_file", "tensorflow.keras.utils.get_file", "sklearn.datasets.fetch_*", "sklearn.datasets.fetch_openml", "nltk.download",
    "wandb.*", "comet_ml.*", "neptune.*", "smart_open.open", "multiprocessing.connection.Client", "kaggle.api.*", "mlflow.set_tracking_uri",
)  # fmt: skip
_NOT_CLIENTS = ("urllib3.exceptions.*", "requests.exceptions.*", "httpx.HTTPError", "http.client.HTTPException")
_DOWNLOADERS = ("torchvision.datasets.*", "torchaudio.datasets.*", "torchtext.datasets.*")
_READERS = ("pandas.read_csv", "pandas.read_parquet", "pandas.read_json", "pandas.read_table", "pandas.read_excel", "pandas.read_html",
            "polars.read_csv", "polars.read_parquet", "polars.scan_parquet", "numpy.loadtxt", "numpy.genfromtxt", "imageio.imread",
            "imageio.v3.imread", "skimage.io.imread", "pyarrow.parquet.read_table", "fsspec.open", "fsspec.filesystem", "zarr.open")  # fmt: skip
_SCHEMES = ("http:", "https:", "ftp:", "s3:", "gs:", "gcs:", "az:", "abfs:", "hdfs:", "hf:", "ssh:", "sftp:")


def _find(program: Program) -> Iterator[Hit]:
    quiet = {id(node) for _, _, node in program.references(*_NOT_CLIENTS)}
    for code, name, node in program.references(*_CLIENTS):
        if id(node) not in quiet:
            yield Hit(code, node, f"{name} reaches the network")
    for call in program.calls(*_DOWNLOADERS):
        if call.value("download") is True:
            yield Hit(call.code, call.node, f"{call.name} downloads its data")
    for call in program.calls(*_READERS):
        first = call.code.names.value(call.node.args[0]) if call.node.args else None
        if isinstance(first, str) and first.lower().startswith(_SCHEMES):
            yield Hit(call.code, call.node, f"{call.name} reads {first[:60]}")


RULE = Rule(
    "training/network", "high", _find,
    why="what is fetched is not what anybody signed, and what is sent is the training data",
    fix="bring it as a signed input; a hermetic run has no network",
    cannot_tell="what a library does by itself; the sandbox refuses that at run time",
    bandit=("B310", "B309", "B312", "B321", "B402"),
)  # fmt: skip
