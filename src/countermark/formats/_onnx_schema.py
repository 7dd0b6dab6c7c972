"""The fields of every ONNX message: number, name, type; `*` marks those that may repeat.

Source: `onnx.proto`, IR version 13. A test compares it with the installed `onnx` package.
"""

from __future__ import annotations

from dataclasses import dataclass

_TEXT = """
ModelProto: 1 ir_version varint, 2 producer_name string, 3 producer_version string, 4 domain string,
    5 model_version varint, 6 doc_string string, 7 graph GraphProto, 8 opset_import OperatorSetIdProto*,
    14 metadata_props StringStringEntryProto*, 20 training_info TrainingInfoProto*, 25 functions FunctionProto*,
    26 configuration DeviceConfigurationProto*
OperatorSetIdProto: 1 domain string, 2 version varint
GraphProto: 1 node NodeProto*, 2 name string, 5 initializer TensorProto*, 10 doc_string string,
    11 input ValueInfoProto*, 12 output ValueInfoProto*, 13 value_info ValueInfoProto*,
    14 quantization_annotation TensorAnnotation*, 15 sparse_initializer SparseTensorProto*,
    16 metadata_props StringStringEntryProto*
NodeProto: 1 input string*, 2 output string*, 3 name string, 4 op_type string, 5 attribute AttributeProto*,
    6 doc_string string, 7 domain string, 8 overload string, 9 metadata_props StringStringEntryProto*,
    10 device_configurations NodeDeviceConfigurationProto*
AttributeProto: 1 name string, 2 f fixed32, 3 i varint, 4 s bytes, 5 t TensorProto, 6 g GraphProto,
    7 floats fixed32*, 8 ints varint*, 9 strings bytes*, 10 tensors TensorProto*, 11 graphs GraphProto*,
    13 doc_string string, 14 tp TypeProto, 15 type_protos TypeProto*, 20 type varint, 21 ref_attr_name string,
    22 sparse_tensor SparseTensorProto, 23 sparse_tensors SparseTensorProto*
TensorProto: 1 dims varint*, 2 data_type varint, 3 segment TensorProto.Segment, 4 float_data fixed32*,
    5 int32_data varint*, 6 string_data bytes*, 7 int64_data varint*, 8 name string, 9 raw_data bytes,
    10 double_data fixed64*, 11 uint64_data varint*, 12 doc_string string, 13 external_data StringStringEntryProto*,
    14 data_location varint, 16 metadata_props StringStringEntryProto*
TensorProto.Segment: 1 begin varint, 2 end varint
StringStringEntryProto: 1 key string, 2 value string
SparseTensorProto: 1 values TensorProto, 2 indices TensorProto, 3 dims varint*
TypeProto: 1 tensor_type TypeProto.Tensor, 4 sequence_type TypeProto.Sequence, 5 map_type TypeProto.Map,
    6 denotation string, 7 opaque_type TypeProto.Opaque, 8 sparse_tensor_type TypeProto.SparseTensor,
    9 optional_type TypeProto.Optional
TypeProto.Tensor: 1 elem_type varint, 2 shape TensorShapeProto
TensorShapeProto: 1 dim TensorShapeProto.Dimension*
TensorShapeProto.Dimension: 1 dim_value varint, 2 dim_param string, 3 denotation string
TypeProto.Sequence: 1 elem_type TypeProto
TypeProto.Map: 1 key_type varint, 2 value_type TypeProto
TypeProto.Optional: 1 elem_type TypeProto
TypeProto.SparseTensor: 1 elem_type varint, 2 shape TensorShapeProto
TypeProto.Opaque: 1 domain string, 2 name string
NodeDeviceConfigurationProto: 1 configuration_id string, 2 sharding_spec ShardingSpecProto*,
    3 pipeline_stage varint
ShardingSpecProto: 1 tensor_name string, 2 device varint*, 3 index_to_device_group_map IntIntListEntryProto*,
    4 sharded_dim ShardedDimProto*
IntIntListEntryProto: 1 key varint, 2 value varint*
ShardedDimProto: 1 axis varint, 2 simple_sharding SimpleShardedDimProto*
SimpleShardedDimProto: 1 dim_value varint, 2 dim_param string, 3 num_shards varint
ValueInfoProto: 1 name string, 2 type TypeProto, 3 doc_string string, 4 metadata_props StringStringEntryProto*
TensorAnnotation: 1 tensor_name string, 2 quant_parameter_tensor_names StringStringEntryProto*
TrainingInfoProto: 1 initialization GraphProto, 2 algorithm GraphProto,
    3 initialization_binding StringStringEntryProto*, 4 update_binding StringStringEntryProto*
FunctionProto: 1 name string, 4 input string*, 5 output string*, 6 attribute string*, 7 node NodeProto*,
    8 doc_string string, 9 opset_import OperatorSetIdProto*, 10 domain string, 11 attribute_proto AttributeProto*,
    12 value_info ValueInfoProto*, 13 overload string, 14 metadata_props StringStringEntryProto*
DeviceConfigurationProto: 1 name string, 2 num_devices varint, 3 device string*
"""


@dataclass(frozen=True, slots=True)
class FieldType:
    """One field: its name, its scalar type or message, whether it may repeat."""

    name: str
    type: str
    repeated: bool


def parse_schema(text: str) -> dict[str, dict[int, FieldType]]:
    """Message name to field number to type, of a text as the one above."""
    out: dict[str, dict[int, FieldType]] = {}
    for line in text.replace(",\n   ", ",").strip().splitlines():
        message, _, fields = line.partition(":")
        out[message] = {}
        for field in filter(None, (part.strip() for part in fields.split(","))):
            number, name, kind = field.split()
            out[message][int(number)] = FieldType(name, kind.removesuffix("*"), kind.endswith("*"))
    return out


MESSAGES = parse_schema(_TEXT)
"""Message name to field number to type."""
SCALARS = ("varint", "fixed32", "fixed64", "string", "bytes")
