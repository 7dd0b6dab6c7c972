"""Packages whose module has another name, as their own documentation says; any other is looked for under its module's name."""

from __future__ import annotations

DISTRIBUTIONS: dict[str, tuple[str, ...]] = {
    "PIL": ("pillow", "pillow-simd"), "sklearn": ("scikit-learn",), "skimage": ("scikit-image",), "yaml": ("pyyaml",),
    "cv2": ("opencv-python", "opencv-python-headless", "opencv-contrib-python", "opencv-contrib-python-headless"), "bs4": ("beautifulsoup4",),
    "dateutil": ("python-dateutil",), "dotenv": ("python-dotenv",), "attr": ("attrs",), "attrs": ("attrs",), "google": ("protobuf", "google-api-core"),
    "umap": ("umap-learn",), "hdbscan": ("hdbscan",), "faiss": ("faiss-cpu", "faiss-gpu"), "pytorch_lightning": ("pytorch-lightning", "lightning"),
    "lightning": ("lightning",), "tensorflow": ("tensorflow", "tensorflow-cpu", "tensorflow-intel", "tensorflow-macos"), "tf_keras": ("tf-keras",),
    "tensorflow_datasets": ("tensorflow-datasets",), "tensorflow_hub": ("tensorflow-hub",), "torch": ("torch",), "torchvision": ("torchvision",),
    "imblearn": ("imbalanced-learn",), "Crypto": ("pycryptodome",), "serial": ("pyserial",), "git": ("gitpython",), "jwt": ("pyjwt",),
    "hydra": ("hydra-core",), "omegaconf": ("omegaconf",), "nibabel": ("nibabel",), "pydicom": ("pydicom",), "SimpleITK": ("simpleitk",),
    "onnxruntime": ("onnxruntime", "onnxruntime-gpu"), "sentence_transformers": ("sentence-transformers",), "huggingface_hub": ("huggingface-hub",),
    "msgpack": ("msgpack",), "mpl_toolkits": ("matplotlib",), "pylab": ("matplotlib",), "pkg_resources": ("setuptools",), "setuptools": ("setuptools",),
    "ruamel": ("ruamel-yaml",), "Levenshtein": ("levenshtein", "python-levenshtein"), "albumentations": ("albumentations",), "typing_extensions": ("typing-extensions",),
    "fitz": ("pymupdf",), "magic": ("python-magic",), "OpenSSL": ("pyopenssl",), "zmq": ("pyzmq",), "wx": ("wxpython",), "Bio": ("biopython",),
    "osgeo": ("gdal",), "community": ("python-louvain",), "igraph": ("igraph", "python-igraph"), "docx": ("python-docx",), "pptx": ("python-pptx",),
    "lightgbm": ("lightgbm",), "xgboost": ("xgboost", "xgboost-cpu"), "catboost": ("catboost",), "cupy": ("cupy", "cupy-cuda11x", "cupy-cuda12x"),
}  # fmt: skip
