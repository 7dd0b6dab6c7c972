"""Writes the list of estimators' names from the libraries that are installed here; what it writes is reviewed by hand.

    python release/estimator_names.py sklearn torch > src/countermark/checks/model/names/estimators.names

A class is listed where it is public, or where a public one keeps it in its state: every class of the library's own modules
that is no test. Loading makes it by NEWOBJ and sets its state by BUILD; no list allows to call it with arguments. Functions
are listed as references only where a public parameter takes them.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import sys
import warnings
from collections.abc import Iterator
from datetime import UTC, datetime
from types import ModuleType

HEAD = """# profile: estimators
# version: 1
# date: {date}
# source: release/estimator_names.py over {versions}; the part below the second head by hand
# module	name	roles	arguments"""
BY_HAND = """# by hand: what estimators keep in their state, of NumPy, SciPy, pandas, and of libraries that are not installed here
copyreg	_reconstructor	reduce	reconstructor
numpy	mean	reference	-
numpy	median	reference	-
numpy	sum	reference	-
numpy	min	reference	-
numpy	max	reference	-
numpy	amin	reference	-
numpy	amax	reference	-
numpy	std	reference	-
numpy	var	reference	-
numpy	log	reference	-
numpy	log1p	reference	-
numpy	log2	reference	-
numpy	log10	reference	-
numpy	exp	reference	-
numpy	expm1	reference	-
numpy	sqrt	reference	-
numpy	abs	reference	-
numpy	absolute	reference	-
numpy	square	reference	-
numpy	average	reference	-
numpy	nanmean	reference	-
numpy	nanmedian	reference	-
numpy	asarray	reference	-
sklearn.feature_selection._univariate_selection	f_classif	reference	-
sklearn.feature_selection._univariate_selection	f_oneway	reference	-
sklearn.feature_selection._univariate_selection	chi2	reference	-
sklearn.feature_selection._univariate_selection	f_regression	reference	-
sklearn.feature_selection._univariate_selection	r_regression	reference	-
sklearn.feature_selection._mutual_info	mutual_info_classif	reference	-
sklearn.feature_selection._mutual_info	mutual_info_regression	reference	-
sklearn.utils.validation	check_array	reference	-
sklearn.cluster._kmeans	_kmeans_single_lloyd	reference	-
sklearn.cluster._kmeans	_kmeans_single_elkan	reference	-
scipy._lib.array_api_compat.numpy._aliases	asarray	reference	-
scipy.special._ufuncs	expit	reference	-
numpy.random._pickle	__randomstate_ctor	reduce,build	any
numpy.random._pickle	__generator_ctor	reduce,build	any
numpy.random._pickle	__bit_generator_ctor	reduce,build	any
numpy.random.mtrand	RandomState	newobj,build,reference	none
numpy.random._mt19937	MT19937	reduce,newobj,build,reference	none
numpy.random._pcg64	PCG64	reduce,newobj,build,reference	none
numpy.random.bit_generator	__pyx_unpickle_SeedSequence	reduce,build	named
numpy.random.bit_generator	SeedSequence	newobj,build,reference	none
numpy	matrix	reference	-
numpy.matrixlib.defmatrix	matrix	reference	-
numpy	recarray	reference	-
numpy.rec	recarray	reference	-
numpy	datetime64	reference	-
numpy	timedelta64	reference	-
numpy	float_	reference	-
numpy	int_	reference	-
numpy	object_	reference	-
scipy.sparse._csr	csr_matrix	newobj,build,reference	none
scipy.sparse._csr	csr_array	newobj,build,reference	none
scipy.sparse._csc	csc_matrix	newobj,build,reference	none
scipy.sparse._csc	csc_array	newobj,build,reference	none
scipy.sparse._coo	coo_matrix	newobj,build,reference	none
scipy.sparse._coo	coo_array	newobj,build,reference	none
scipy.sparse._dia	dia_matrix	newobj,build,reference	none
scipy.sparse._lil	lil_matrix	newobj,build,reference	none
scipy.sparse._bsr	bsr_matrix	newobj,build,reference	none
scipy.sparse.csr	csr_matrix	newobj,build,reference	none
scipy.sparse.csc	csc_matrix	newobj,build,reference	none
scipy.sparse.coo	coo_matrix	newobj,build,reference	none
scipy.interpolate._interpolate	interp1d	newobj,build,reference	none
scipy.interpolate._bsplines	BSpline	newobj,build,reference	none
scipy.spatial._ckdtree	cKDTree	newobj,build,reference	none
scipy.stats._distn_infrastructure	rv_continuous_frozen	newobj,build,reference	none
scipy.stats._distn_infrastructure	rv_discrete_frozen	newobj,build,reference	none
pandas.core.frame	DataFrame	newobj,build,reference	none
pandas	DataFrame	newobj,build,reference	none
pandas.core.series	Series	newobj,build,reference	none
pandas	Series	newobj,build,reference	none
pandas.core.internals.managers	BlockManager	reduce,newobj,build,reference	any
pandas.core.internals.managers	SingleBlockManager	reduce,newobj,build,reference	any
pandas._libs.internals	_unpickle_block	reduce	any
pandas.core.indexes.base	_new_Index	reduce	named
pandas.core.indexes.base	Index	newobj,build,reference	none
pandas	Index	newobj,build,reference	none
pandas.core.indexes.range	RangeIndex	newobj,build,reference	none
pandas	RangeIndex	newobj,build,reference	none
pandas.core.indexes.numeric	Int64Index	newobj,build,reference	none
pandas.core.indexes.numeric	Float64Index	newobj,build,reference	none
pandas.core.indexes.multi	MultiIndex	newobj,build,reference	none
pandas.core.indexes.datetimes	DatetimeIndex	newobj,build,reference	none
pandas.core.indexes.datetimes	_new_DatetimeIndex	reduce	named
pandas.core.indexes.category	CategoricalIndex	newobj,build,reference	none
pandas.core.arrays.categorical	Categorical	newobj,build,reference	none
pandas.core.dtypes.dtypes	CategoricalDtype	newobj,build,reference	none
pandas._libs.arrays	__pyx_unpickle_NDArrayBacked	reduce	any
pandas.core.arrays.string_	StringDtype	newobj,build,reference	none
pandas.core.arrays.string_	StringArray	newobj,build,reference	none
pandas.core.arrays.datetimes	DatetimeArray	newobj,build,reference	none
pandas._libs.tslibs.timestamps	_unpickle_timestamp	reduce	any
pandas._libs.tslibs.timedeltas	_timedelta_unpickle	reduce	any
pandas._libs.missing	NAType	newobj,build,reference	none
pandas._libs.tslibs.nattype	_nat_unpickle	reduce	any
datetime	datetime	reduce,newobj,reference	any
datetime	date	reduce,newobj,reference	any
datetime	time	reduce,newobj,reference	any
datetime	timedelta	reduce,newobj,reference	any
datetime	timezone	reduce,newobj,reference	any
decimal	Decimal	reduce,reference	any
fractions	Fraction	reduce,reference	any
uuid	UUID	newobj,build,reference	none
pathlib	PosixPath	reduce,reference	any
pathlib	WindowsPath	reduce,reference	any
pathlib	PurePosixPath	reduce,reference	any
pathlib._local	PosixPath	reduce,reference	any
types	SimpleNamespace	reduce,newobj,build,reference	any
argparse	Namespace	newobj,build,reference	none
enum	Enum	reference	-
functools	partial	reduce,newobj,build,reference	named
builtins	type	reference	-
builtins	NoneType	reference	-
typing	Any	reference	-
torch.torch_version	TorchVersion	newobj,reference	any
omegaconf.listconfig	ListConfig	newobj,build,reference	none
omegaconf.dictconfig	DictConfig	newobj,build,reference	none
omegaconf.base	ContainerMetadata	newobj,build,reference	none
omegaconf.base	Metadata	newobj,build,reference	none
omegaconf.nodes	AnyNode	newobj,build,reference	none
omegaconf.nodes	StringNode	newobj,build,reference	none
omegaconf.nodes	IntegerNode	newobj,build,reference	none
omegaconf.nodes	FloatNode	newobj,build,reference	none
omegaconf.nodes	BooleanNode	newobj,build,reference	none
pyannote.audio.core.model	Introspection	newobj,build,reference	none
pyannote.audio.core.task	Specifications	newobj,build,reference	none
pyannote.audio.core.task	Problem	reduce,reference	any
pyannote.audio.core.task	Resolution	reduce,reference	any
xgboost.core	Booster	newobj,build,reference	none
xgboost.sklearn	XGBClassifier	newobj,build,reference	none
xgboost.sklearn	XGBRegressor	newobj,build,reference	none
xgboost.sklearn	XGBRanker	newobj,build,reference	none
xgboost.sklearn	XGBRFClassifier	newobj,build,reference	none
xgboost.sklearn	XGBRFRegressor	newobj,build,reference	none
lightgbm.basic	Booster	newobj,build,reference	none
lightgbm.sklearn	LGBMClassifier	newobj,build,reference	none
lightgbm.sklearn	LGBMRegressor	newobj,build,reference	none
lightgbm.sklearn	LGBMRanker	newobj,build,reference	none
lightgbm.sklearn	LGBMModel	newobj,build,reference	none
joblib.numpy_pickle	NDArrayWrapper	newobj,build	none
joblib.numpy_pickle	ZNDArrayWrapper	newobj,build	none
joblib.numpy_pickle_compat	NDArrayWrapper	newobj,build	none
joblib.numpy_pickle_compat	ZNDArrayWrapper	newobj,build	none
sklearn.externals.joblib.numpy_pickle	NumpyArrayWrapper	newobj,build	none
sklearn.externals.joblib.numpy_pickle	NDArrayWrapper	newobj,build	none
sklearn.externals.joblib.numpy_pickle	ZNDArrayWrapper	newobj,build	none
sklearn.externals.joblib.numpy_pickle_compat	NDArrayWrapper	newobj,build	none
sklearn.externals.joblib.numpy_pickle_compat	ZNDArrayWrapper	newobj,build	none
sklearn.linear_model.logistic	LogisticRegression	newobj,build,reference	none
sklearn.linear_model.base	LinearRegression	newobj,build,reference	none
sklearn.linear_model.stochastic_gradient	SGDClassifier	newobj,build,reference	none
sklearn.ensemble.forest	RandomForestClassifier	newobj,build,reference	none
sklearn.ensemble.forest	RandomForestRegressor	newobj,build,reference	none
sklearn.ensemble.gradient_boosting	GradientBoostingClassifier	newobj,build,reference	none
sklearn.ensemble.gradient_boosting	GradientBoostingRegressor	newobj,build,reference	none
sklearn.tree.tree	DecisionTreeClassifier	newobj,build,reference	none
sklearn.tree.tree	DecisionTreeRegressor	newobj,build,reference	none
sklearn.svm.classes	SVC	newobj,build,reference	none
sklearn.svm.classes	LinearSVC	newobj,build,reference	none
sklearn.svm.classes	SVR	newobj,build,reference	none
sklearn.neighbors.classification	KNeighborsClassifier	newobj,build,reference	none
sklearn.naive_bayes	GaussianNB	newobj,build,reference	none
sklearn.preprocessing.data	StandardScaler	newobj,build,reference	none
sklearn.preprocessing.data	MinMaxScaler	newobj,build,reference	none
sklearn.preprocessing.label	LabelEncoder	newobj,build,reference	none
sklearn.preprocessing.label	LabelBinarizer	newobj,build,reference	none
sklearn.feature_extraction.text	CountVectorizer	newobj,build,reference	none
sklearn.decomposition.pca	PCA	newobj,build,reference	none
sklearn.cluster.k_means_	KMeans	newobj,build,reference	none
sklearn.neural_network.multilayer_perceptron	MLPClassifier	newobj,build,reference	none"""
# The callbacks of sklearn open a listener where their state is set, and estimators do not keep them. The distributions of SciPy
# run source text that is in their state: they are refused.
# Classes whose making or whose state reaches further than their own attributes: never listed, whatever the library says.
NEVER = ("_FuncWrapper", "MemmapingPool", "Parallel", "Pool", "Loader", "Dataset", "Tensorboard")
ROOTS = {"sklearn": ("sklearn",), "torch": ("torch.nn.modules", "torch.nn.utils.parametrizations", "torch.optim")}
HEAP_TYPE = 1 << 9
CALLED = {("sklearn.tree._tree", "Tree"), ("sklearn.utils._bunch", "Bunch")}


def modules(root: str) -> Iterator[ModuleType]:
    """Every module below a package that imports, tests left out."""
    package = importlib.import_module(root)
    yield package
    for found in pkgutil.walk_packages(getattr(package, "__path__", []), f"{root}."):
        if not any(
            word in found.name
            for word in (".tests", ".externals", "conftest", ".setup", "_testing", "._build_utils", ".callback")
        ):
            try:
                yield importlib.import_module(found.name)
            except Exception as error:  # noqa: BLE001 - optional parts of a library need what is not here
                print(f"# not looked at: {found.name} ({type(error).__name__})", file=sys.stderr)


def lines(root: str) -> Iterator[str]:
    """One line per class, and per function that makes an extension type again."""
    for module in modules(root):
        for name, value in vars(module).items():
            home = getattr(value, "__module__", None) or module.__name__
            if (
                inspect.isclass(value)
                and home.startswith(root)
                and value.__qualname__ == name
                and not _never(name, value)
            ):
                called = (home, name) in CALLED or not value.__flags__ & HEAP_TYPE
                roles = "reduce,newobj,build,reference" if called else "newobj,build,reference"
                roles += ",setitem" if issubclass(value, dict) else ""
                yield f"{home}\t{name}\t{roles}\tany"
            elif name.startswith("__pyx_unpickle_") or (name == "newObj" and root == "sklearn"):
                yield f"{module.__name__}\t{name}\treduce,build\tnamed"


def functions() -> Iterator[str]:
    """What the library's own scorers and kernels call, kept by name in a fitted estimator."""
    metrics = importlib.import_module("sklearn.metrics")
    pairwise = importlib.import_module("sklearn.metrics.pairwise")
    kept = [metrics.get_scorer(name)._score_func for name in metrics.get_scorer_names()]
    kept += [*pairwise.PAIRWISE_KERNEL_FUNCTIONS.values(), *pairwise.PAIRWISE_DISTANCE_FUNCTIONS.values()]
    for value in kept:
        if inspect.isfunction(value) and value.__module__.startswith("sklearn.metrics"):
            yield f"{value.__module__}\t{value.__name__}\treference\t-"


def _never(name: str, value: type) -> bool:
    return any(word in name for word in NEVER) or issubclass(value, BaseException)


def main() -> None:
    """The whole list on standard output."""
    warnings.simplefilter("ignore")
    asked = sys.argv[1:] or list(ROOTS)
    versions = ", ".join(f"{name} {importlib.import_module(name).__version__}" for name in asked)
    print(HEAD.format(date=datetime.now(UTC).date(), versions=versions))
    found = {line for name in asked for root in ROOTS[name] for line in lines(root)}
    print("\n".join(sorted(found | set(functions() if "sklearn" in asked else ()))))
    print(BY_HAND)


if __name__ == "__main__":
    main()
