"""Write the list of TensorFlow operators that a SavedModel may use: those that tf2onnx turns into ONNX, and a part by hand.

    python release/tensorflow_names.py FOLDER_OF_TF2ONNX VERSION > src/countermark/checks/model/names/tensorflow.names

An operator is listed where it computes its outputs from its inputs, from variables or from tables of the model itself. Those that open
files or sockets, call Python, load libraries, or write anything are not; what is known to do so is refused by name.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

BY_HAND = ["Abs", "Acos", "Acosh", "Add", "AddN", "AddV2", "AdjustContrastv2", "AdjustHue", "AdjustSaturation", "All", "Angle", "Any", "ApproximateEqual", "ArgMax", "ArgMin", "AsString", "Asin", "Asinh", "Assert", "Assign", "AssignAdd", "AssignAddVariableOp", "AssignSub", "AssignSubVariableOp", "AssignVariableOp", "Atan", "Atan2", "Atanh", "AvgPool", "AvgPool3D", "BatchMatMul", "BatchMatMulV2", "BatchMatMulV3", "BatchToSpaceND", "BesselI0e", "BiasAdd", "Bincount", "Bitcast", "BitwiseAnd", "BitwiseOr", "BitwiseXor", "BroadcastArgs", "BroadcastTo", "Bucketize", "Case", "Cast", "Ceil", "CheckNumerics", "Cholesky", "ClipByValue", "CombinedNonMaxSuppression", "Complex", "ComplexAbs", "Concat", "ConcatV2", "ConcatOffset", "Conj", "ConjugateTranspose", "Const", "ControlTrigger", "Conv2D", "Conv2DBackpropInput", "Conv3D", "Conv3DBackpropInputV2", "Cos", "Cosh", "CropAndResize", "Cross", "CTCBeamSearchDecoder", "CTCGreedyDecoder", "Cumprod", "Cumsum", "DecodeBase64", "DecodeBmp", "DecodeGif", "DecodeImage", "DecodeJpeg", "DecodeJSONExample", "DecodePng", "DecodeRaw", "DecodeWav", "DenseBincount", "DepthToSpace", "DepthwiseConv2dNative", "Dequantize", "DestroyResourceOp", "Diag", "DiagPart", "Digamma", "Dilation2D", "Div", "DivNoNan", "DynamicPartition", "DynamicStitch", "Einsum", "Elu", "Empty", "EmptyTensorList", "EncodeBase64", "EncodeJpeg", "EncodePng", "EncodeWav", "EnsureShape", "Enter", "Equal", "Erf", "Erfc", "Erfinv", "EuclideanNorm", "Exit", "Exp", "ExpandDims", "Expm1", "ExtractImagePatches", "ExtractJpegShape", "FakeQuantWithMinMaxArgs", "FakeQuantWithMinMaxVars", "FakeQuantWithMinMaxVarsPerChannel", "FFT", "FFT2D", "Fill", "Floor", "FloorDiv", "FloorMod", "For", "FusedBatchNorm", "FusedBatchNormV2", "FusedBatchNormV3", "Gather", "GatherNd", "GatherV2", "GetSessionTensor", "Greater", "GreaterEqual", "HashTable", "HashTableV2", "HistogramFixedWidth", "HistogramSummary", "HSVToRGB", "Identity", "IdentityN", "If", "Igamma", "Imag", "ImageProjectiveTransformV2", "ImageProjectiveTransformV3", "InitializeTable", "InitializeTableV2", "InTopK", "InTopKV2", "Inv", "Invert", "InvertPermutation", "IRFFT", "IRFFT2D", "IsFinite", "IsInf", "IsNan", "IsVariableInitialized", "L2Loss", "LeakyRelu", "LeftShift", "Less", "LessEqual", "Lgamma", "LinSpace", "ListDiff", "Log", "Log1p", "LogSoftmax", "LogicalAnd", "LogicalNot", "LogicalOr", "LookupTableExportV2", "LookupTableFind", "LookupTableFindV2", "LookupTableImportV2", "LookupTableInsertV2", "LookupTableSize", "LookupTableSizeV2", "LoopCond", "LowerBound", "LRN", "MatMul", "MatrixBandPart", "MatrixDeterminant", "MatrixDiag", "MatrixDiagPart", "MatrixDiagPartV2", "MatrixDiagPartV3", "MatrixDiagV2", "MatrixDiagV3", "MatrixInverse", "MatrixSetDiagV3", "MatrixSolve", "MatrixTriangularSolve", "Max", "MaxPool", "MaxPool3D", "MaxPoolV2", "MaxPoolWithArgmax", "Maximum", "Mean", "Merge", "Mfcc", "Min", "Minimum", "MirrorPad", "Mod", "Mul", "MulNoNan", "Multinomial", "MutableDenseHashTableV2", "MutableHashTableOfTensorsV2", "MutableHashTableV2", "Ndtri", "Neg", "NextAfter", "NextIteration", "NoOp", "NonMaxSuppression", "NonMaxSuppressionV2", "NonMaxSuppressionV3", "NonMaxSuppressionV4", "NonMaxSuppressionV5", "NonMaxSuppressionWithOverlaps", "NotEqual", "OneHot", "OnesLike", "OptionalFromValue", "OptionalGetValue", "OptionalHasValue", "OptionalNone", "Pack", "Pad", "PadV2", "ParallelDynamicStitch", "ParseExample", "ParseExampleV2", "ParseSingleExample", "ParseTensor", "PartitionedCall", "Placeholder", "PlaceholderWithDefault", "Polygamma", "PopulationCount", "Pow", "PreventGradient", "Prod", "QuantizeAndDequantizeV2", "QuantizeAndDequantizeV3", "QuantizeAndDequantizeV4", "QuantizeV2", "RaggedGather", "RaggedRange", "RaggedTensorFromVariant", "RaggedTensorToSparse", "RaggedTensorToTensor", "RaggedTensorToVariant", "RandomGamma", "RandomPoissonV2", "RandomShuffle", "RandomStandardNormal", "RandomUniform", "RandomUniformInt", "Range", "Rank", "ReadVariableOp", "Real", "RealDiv", "Reciprocal", "ReduceJoin", "RegexFullMatch", "RegexReplace", "Relu", "Relu6", "Reshape", "ResizeArea", "ResizeBicubic", "ResizeBilinear", "ResizeNearestNeighbor", "ResourceGather", "ResourceGatherNd", "ResourceScatterAdd", "ResourceScatterUpdate", "Reverse", "ReverseSequence", "ReverseV2", "RFFT", "RFFT2D", "RGBToHSV", "RightShift", "Rint", "RngReadAndSkip", "RngSkip", "Roll", "Round", "Rsqrt", "SampleDistortedBoundingBoxV2", "ScalarSummary", "ScaleAndTranslate", "ScatterNd", "SegmentMax", "SegmentMean", "SegmentMin", "SegmentProd", "SegmentSum", "Select", "SelectV2", "SelfAdjointEigV2", "Selu", "SerializeTensor", "Shape", "ShapeN", "Sigmoid", "Sign", "Sin", "Sinh", "Size", "Slice", "Snapshot", "Softmax", "Softplus", "Softsign", "SpaceToBatchND", "SpaceToDepth", "SparseConcat", "SparseFillEmptyRows", "SparseReorder", "SparseReshape", "SparseSegmentMean", "SparseSegmentMeanWithNumSegments", "SparseSegmentSqrtN", "SparseSegmentSum", "SparseSegmentSumWithNumSegments", "SparseSlice", "SparseTensorDenseMatMul", "SparseToDense", "Split", "SplitV", "Sqrt", "Square", "SquaredDifference", "Squeeze", "StatefulPartitionedCall", "StatefulStandardNormalV2", "StatefulUniform", "StatelessCase", "StatelessIf", "StatelessMultinomial", "StatelessRandomGetAlg", "StatelessRandomGetKeyCounter", "StatelessRandomGetKeyCounterAlg", "StatelessRandomNormal", "StatelessRandomNormalV2", "StatelessRandomUniform", "StatelessRandomUniformInt", "StatelessRandomUniformV2", "StatelessTruncatedNormalV2", "StatelessWhile", "StaticRegexFullMatch", "StaticRegexReplace", "StopGradient", "StridedSlice", "StringFormat", "StringJoin", "StringLength", "StringLower", "StringNGrams", "StringSplit", "StringSplitV2", "StringStrip", "StringToHashBucket", "StringToHashBucketFast", "StringToHashBucketStrong", "StringToNumber", "StringUpper", "Sub", "Substr", "Sum", "Svd", "Switch", "SymbolicGradient", "Tan", "Tanh", "TensorListConcat", "TensorListConcatV2", "TensorListElementShape", "TensorListFromTensor", "TensorListGather", "TensorListGetItem", "TensorListLength", "TensorListPopBack", "TensorListPushBack", "TensorListReserve", "TensorListResize", "TensorListSetItem", "TensorListStack", "TensorScatterAdd", "TensorScatterUpdate", "TensorStridedSliceUpdate", "Tile", "TopK", "TopKV2", "Transpose", "TruncateDiv", "TruncateMod", "TruncatedNormal", "UnicodeDecode", "UnicodeDecodeWithOffsets", "UnicodeEncode", "UnicodeScript", "UnicodeTranscode", "Unique", "UniqueV2", "UniqueWithCounts", "UniqueWithCountsV2", "Unpack", "UnravelIndex", "UnsortedSegmentMax", "UnsortedSegmentMean", "UnsortedSegmentMin", "UnsortedSegmentProd", "UnsortedSegmentSum", "UpperBound", "VarHandleOp", "VarIsInitializedOp", "Variable", "VariableShape", "VariableV2", "VocabularyLookup", "Where", "While", "Xdivy", "Xlog1py", "Xlogy", "ZerosLike", "Zeta", "AudioSpectrogram", "_Arg", "_Retval", "_FusedConv2D", "_FusedMatMul", "DeleteSessionTensor", "Bessel", "XlaDynamicSlice"]  # fmt: skip
DROPPED = {
    "VocabularyLookup",
    "Bessel",
    "For",
    "GetSessionTensor",
    "DeleteSessionTensor",
    "ClipByValue",
    "SentencepieceOp",
    "SentencepieceTokenizeOp",
    "WordpieceTokenizeWithOffsets",
    "RegexSplitWithOffsets",
    "Loop",
    "Scan",
    "TfLiteSubgraphExecute",
}
SAVER = (
    "SaveV2",
    "RestoreV2",
    "ShardedFilename",
    "MergeV2Checkpoints",
    "Save",
    "SaveSlices",
    "Restore",
    "RestoreSlice",
)
REFUSED = ["ReadFile", "WriteFile", "MatchingFiles", "PyFunc", "PyFuncStateless", "EagerPyFunc", "NumpyFunction", "FixedLengthRecordReader", "FixedLengthRecordReaderV2", "TFRecordReader", "TFRecordReaderV2", "TextLineReader", "TextLineReaderV2", "WholeFileReader", "WholeFileReaderV2", "LMDBReader", "ImmutableConst", "FixedLengthRecordDataset", "FixedLengthRecordDatasetV2", "TFRecordDataset", "TFRecordDatasetV2", "TextLineDataset", "SqlDataset", "LMDBDataset", "DatasetToTFRecord", "ExperimentalDatasetToTFRecord", "SnapshotDataset", "SnapshotDatasetV2", "SaveDataset", "SaveDatasetV2", "LoadDataset", "CacheDataset", "CacheDatasetV2", "CSVDataset", "CSVDatasetV2", "MatchingFilesDataset", "ExperimentalMatchingFilesDataset", "CreateSummaryFileWriter", "CreateSummaryDbWriter", "WriteSummary", "WriteGraphSummary", "WriteImageSummary", "WriteAudioSummary", "WriteHistogramSummary", "WriteRawProtoSummary", "WriteScalarSummary", "ImportEvent", "DebugIdentity", "DebugIdentityV2", "DebugIdentityV3", "DebugNanCount", "DebugNumericSummary", "DebugNumericSummaryV2", "DataServiceDataset", "DataServiceDatasetV2", "DataServiceDatasetV3", "DataServiceDatasetV4", "RegisterDataset", "RegisterDatasetV2", "RpcCall", "RpcClient", "RpcServer", "RpcServerStart", "RpcServerRegister", "TryRpc", "Rpc", "RemoteCall", "BigQueryReader", "CheckpointExtract", "GenerateVocabRemapping", "LoadAndRemapMatrix", "ConfigureDistributedTPU", "CollectiveInitializeCommunicator", "TfLiteSubgraphExecute", "IO>ArrowDataset", "MlirPassthroughOp"]  # fmt: skip


def converted(folder: Path) -> Iterator[str]:
    """Names in the decorators ``tf_op`` of tf2onnx."""
    for place in sorted(folder.rglob("*.py")):
        for node in ast.walk(ast.parse(place.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "tf_op" and node.args:
                yield from (
                    c.value for c in ast.walk(node.args[0]) if isinstance(c, ast.Constant) and isinstance(c.value, str)
                )


def main() -> None:
    """Print the list."""
    folder, version = Path(sys.argv[1]), sys.argv[2]
    print("# profile: tensorflow\n# version: 1")
    print(
        f"# date: {datetime.now(UTC):%Y-%m-%d}\n# source: release/tensorflow_names.py over tf2onnx {version}; a part by hand\n# kind\tname"
    )
    plain = {n for n in converted(folder) if n.replace("_", "").isalnum() and n[:1].isupper()} | set(BY_HAND)
    lines = {f"operator\t{name}" for name in plain - DROPPED - set(SAVER) - set(REFUSED)}
    print(
        "\n".join(
            [*sorted(lines), *(f"saver\t{n}" for n in SAVER), *(f"refused-operator\t{n}" for n in sorted(REFUSED))]
        )
    )


if __name__ == "__main__":
    main()
