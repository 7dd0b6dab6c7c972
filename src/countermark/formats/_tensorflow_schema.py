"""The fields of every message of a SavedModel and of the files beside it.

Source: the `.proto` files of TensorFlow 2.20 under `core/protobuf` and `core/framework`, and Keras's `saved_metadata.proto`.
"""

from __future__ import annotations

from countermark.formats._onnx_schema import parse_schema

_TEXT = """
SavedModel: 1 saved_model_schema_version varint, 2 meta_graphs MetaGraphDef*
MetaGraphDef: 1 meta_info_def MetaInfoDef, 2 graph_def GraphDef, 3 saver_def SaverDef, 4 collection_def Map.CollectionDef*,
    5 signature_def Map.SignatureDef*, 6 asset_file_def AssetFileDef*, 7 object_graph_def SavedObjectGraph
MetaInfoDef: 1 meta_graph_version string, 2 stripped_op_list OpList, 3 any_info Any, 4 tags string*, 5 tensorflow_version string,
    6 tensorflow_git_version string, 7 stripped_default_attrs varint, 8 function_aliases Map.string*
OpList: 1 op OpDef*
OpDef: 1 name string, 2 input_arg ArgDef*, 3 output_arg ArgDef*, 4 attr AttrDef*, 5 summary string, 6 description string,
    8 deprecation OpDeprecation, 16 is_aggregate varint, 17 is_stateful varint, 18 is_commutative varint,
    19 allows_uninitialized_input varint, 20 control_output string*, 21 is_distributed_communication varint
ArgDef: 1 name string, 2 description string, 3 type varint, 4 type_attr string, 5 number_attr string, 6 type_list_attr string,
    7 handle_data DtypeAndShape*, 16 is_ref varint, 17 experimental_full_type FullTypeDef
AttrDef: 1 name string, 2 type string, 3 default_value AttrValue, 4 description string, 5 has_minimum varint, 6 minimum varint,
    7 allowed_values AttrValue
OpDeprecation: 1 version varint, 2 explanation string
FullTypeDef: 1 type_id varint, 2 args FullTypeDef*, 3 s string, 4 i varint
GraphDef: 1 node NodeDef*, 2 library FunctionDefLibrary, 3 version varint, 4 versions VersionDef, 5 debug_info GraphDebugInfo
VersionDef: 1 producer varint, 2 min_consumer varint, 3 bad_consumers varint*
NodeDef: 1 name string, 2 op string, 3 input string*, 4 device string, 5 attr Map.AttrValue*, 6 experimental_debug_info NodeDebug,
    7 experimental_type FullTypeDef
NodeDebug: 1 original_node_names string*, 2 original_func_names string*
AttrValue: 1 list ListValue, 2 s bytes, 3 i varint, 4 f fixed32, 5 b varint, 6 type varint, 7 shape TensorShapeProto,
    8 tensor TensorProto, 9 placeholder string, 10 func NameAttrList
ListValue: 2 s bytes*, 3 i varint*, 4 f fixed32*, 5 b varint*, 6 type varint*, 7 shape TensorShapeProto*, 8 tensor TensorProto*,
    9 func NameAttrList*
NameAttrList: 1 name string, 2 attr Map.AttrValue*
TensorShapeProto: 2 dim Dim*, 3 unknown_rank varint
Dim: 1 size varint, 2 name string
TensorProto: 1 dtype varint, 2 tensor_shape TensorShapeProto, 3 version_number varint, 4 tensor_content bytes, 5 float_val fixed32*,
    6 double_val fixed64*, 7 int_val varint*, 8 string_val bytes*, 9 scomplex_val fixed32*, 10 int64_val varint*, 11 bool_val varint*,
    12 dcomplex_val fixed64*, 13 half_val varint*, 14 resource_handle_val ResourceHandleProto*,
    15 variant_val VariantTensorDataProto*, 16 uint32_val varint*, 17 uint64_val varint*, 18 float8_val bytes
ResourceHandleProto: 1 device string, 2 container string, 3 name string, 4 hash_code varint, 5 maybe_type_name string,
    6 dtypes_and_shapes DtypeAndShape*
DtypeAndShape: 1 dtype varint, 2 shape TensorShapeProto
VariantTensorDataProto: 1 type_name bytes, 2 metadata bytes, 3 tensors TensorProto*
FunctionDefLibrary: 1 function FunctionDef*, 2 gradient GradientDef*, 3 registered_gradients RegisteredGradient*
FunctionDef: 1 signature OpDef, 3 node_def NodeDef*, 4 ret Map.string*, 5 attr Map.AttrValue*, 6 control_ret Map.string*,
    7 arg_attr Number.ArgAttrs*, 8 resource_arg_unique_id Number.varint*
ArgAttrs: 1 attr Map.AttrValue*
GradientDef: 1 function_name string, 2 gradient_func string
RegisteredGradient: 1 gradient_func string, 2 registered_op_type string
SaverDef: 1 filename_tensor_name string, 2 save_tensor_name string, 3 restore_op_name string, 4 max_to_keep varint, 5 sharded varint,
    6 keep_checkpoint_every_n_hours fixed32, 7 version varint
CollectionDef: 1 node_list NodeList, 2 bytes_list BytesList, 3 int64_list Int64List, 4 float_list FloatList, 5 any_list AnyList
NodeList: 1 value string*
BytesList: 1 value bytes*
Int64List: 1 value varint*
FloatList: 1 value fixed32*
AnyList: 1 value Any*
Any: 1 type_url string, 2 value bytes
SignatureDef: 1 inputs Map.TensorInfo*, 2 outputs Map.TensorInfo*, 3 method_name string, 4 defaults Map.TensorProto*
TensorInfo: 1 name string, 2 dtype varint, 3 tensor_shape TensorShapeProto, 4 coo_sparse CooSparse, 5 composite_tensor CompositeTensor
CooSparse: 1 values_tensor_name string, 2 indices_tensor_name string, 3 dense_shape_tensor_name string
CompositeTensor: 1 type_spec TypeSpecProto, 2 components TensorInfo*
AssetFileDef: 1 tensor_info TensorInfo, 2 filename string
SavedObjectGraph: 1 nodes SavedObject*, 2 concrete_functions Map.SavedConcreteFunction*
SavedObject: 1 children ObjectReference*, 3 slot_variables SlotVariableReference*, 4 user_object SavedUserObject, 5 asset SavedAsset,
    6 function SavedFunction, 7 variable SavedVariable, 8 bare_concrete_function SavedBareConcreteFunction, 9 constant SavedConstant,
    10 resource SavedResource, 11 saveable_objects Map.SaveableObject*, 12 captured_tensor CapturedTensor, 13 registered_name string,
    14 serialized_user_proto Any, 15 dependencies ObjectReference*, 16 registered_saver string
ObjectReference: 1 node_id varint, 2 local_name string
SlotVariableReference: 1 original_variable_node_id varint, 2 slot_name string, 3 slot_variable_node_id varint
SavedUserObject: 1 identifier string, 2 version VersionDef, 3 metadata string
SavedAsset: 1 asset_file_def_index varint
SavedFunction: 1 concrete_functions string*, 2 function_spec FunctionSpec
CapturedTensor: 1 name string, 2 concrete_function string
SavedConcreteFunction: 2 bound_inputs varint*, 3 canonicalized_input_signature StructuredValue, 4 output_signature StructuredValue
SavedBareConcreteFunction: 1 concrete_function_name string, 2 argument_keywords string*, 3 allowed_positional_arguments varint,
    4 function_spec FunctionSpec
SavedConstant: 1 operation string
SavedVariable: 1 dtype varint, 2 shape TensorShapeProto, 3 trainable varint, 4 synchronization varint, 5 aggregation varint,
    6 name string, 7 device string, 8 experimental_distributed_variable_components SavedVariable*
FunctionSpec: 1 fullargspec StructuredValue, 2 is_method varint, 5 input_signature StructuredValue, 6 jit_compile varint
SavedResource: 1 device string
SaveableObject: 2 save_function varint, 3 restore_function varint
StructuredValue: 1 none_value NoneValue, 11 float64_value fixed64, 12 int64_value varint, 13 string_value string, 14 bool_value varint,
    31 tensor_shape_value TensorShapeProto, 32 tensor_dtype_value varint, 33 tensor_spec_value TensorSpecProto,
    34 type_spec_value TypeSpecProto, 35 bounded_tensor_spec_value BoundedTensorSpecProto, 51 list_value StructuredList,
    52 tuple_value StructuredList, 53 dict_value DictValue, 54 named_tuple_value NamedTupleValue, 55 tensor_value TensorProto,
    56 numpy_value TensorProto
NoneValue:
StructuredList: 1 values StructuredValue*
DictValue: 1 fields Map.StructuredValue*
NamedTupleValue: 1 name string, 2 values PairValue*
PairValue: 1 key string, 2 value StructuredValue
TensorSpecProto: 1 name string, 2 shape TensorShapeProto, 3 dtype varint
BoundedTensorSpecProto: 1 name string, 2 shape TensorShapeProto, 3 dtype varint, 4 minimum TensorProto, 5 maximum TensorProto
TypeSpecProto: 1 type_spec_class varint, 2 type_state StructuredValue, 3 type_spec_class_name string, 4 num_flat_components varint
GraphDebugInfo: 1 files string*, 2 traces Map.StackTrace*, 3 frames_by_id Fixed.FileLineCol*, 4 traces_by_id Fixed.StackTrace*,
    5 name_to_trace_id Map.fixed64*
StackTrace: 1 file_line_cols FileLineCol*, 2 frame_id fixed64*
FileLineCol: 1 file_index varint, 2 line varint, 3 col varint, 4 func string, 5 code string
FingerprintDef: 1 saved_model_checksum varint, 2 graph_def_program_hash varint, 3 signature_def_hash varint,
    4 saved_object_graph_hash varint, 5 checkpoint_hash varint, 6 version VersionDef, 7 uuid string
SavedMetadata: 1 nodes MetadataObject*
MetadataObject: 2 node_id varint, 3 node_path string, 4 identifier string, 5 metadata string, 6 version VersionDef
BundleHeaderProto: 1 num_shards varint, 2 endianness varint, 3 version VersionDef
BundleEntryProto: 1 dtype varint, 2 shape TensorShapeProto, 3 shard_id varint, 4 offset varint, 5 size varint, 6 crc32c fixed32,
    7 slices TensorSliceProto*
TensorSliceProto: 1 extent Extent*
Extent: 1 start varint, 2 length varint
"""
_ENTRIES = """
Map.{0}: 1 key string, 2 value {0}
Number.{0}: 1 key varint, 2 value {0}
Fixed.{0}: 1 key fixed64, 2 value {0}
"""
_VALUES = ("CollectionDef", "SignatureDef", "AttrValue", "TensorInfo", "TensorProto", "SavedConcreteFunction", "SaveableObject",
           "StructuredValue", "StackTrace", "FileLineCol", "ArgAttrs", "string", "varint", "fixed64")  # fmt: skip

MESSAGES = parse_schema(_TEXT + "".join(_ENTRIES.format(name).lstrip("\n") for name in _VALUES))
"""Message name to field number to type; ``Map.X`` is an entry of a map from texts to X."""
