// Tables of the Arrow format's Schema, Message and File definitions, by the numbers of their
// fields ("Metadata" in the Arrow columnar format).
#include "pipeline/formats/arrow_metadata.h"

#include <flatbuffers/flatbuffers.h>
#include <fmt/format.h>

#include <cstring>

#include "pipeline/base/error.h"
#include "pipeline/base/json.h"

namespace lockstep {
namespace {

using flatbuffers::FieldIndexToOffset;
using flatbuffers::FlatBufferBuilder;
using flatbuffers::Offset;
using flatbuffers::Table;
using flatbuffers::uoffset_t;

constexpr int16_t kVersion5 = 4;
constexpr int16_t kVersion4 = 3;
constexpr int16_t kMicroseconds = 2;
constexpr int16_t kMilliseconds = 1;
constexpr size_t kMaxColumns = 65536;

// Numbers of the union Type.
enum TypeCode : uint8_t {
  kInt = 2,
  kFloatingPoint = 3,
  kBinaryBytes = 4,
  kUtf8Text = 5,
  kDecimal = 7,
  kDate = 8,
  kTime = 9,
  kTimestampType = 10,
  kDurationType = 18
};
enum HeaderCode : uint8_t { kSchemaHeader = 1, kBatchHeader = 3 };

namespace schema {
enum { kEndianness, kFields };
}
namespace field {
enum { kName, kNullable, kTypeCode, kType, kDictionary, kChildren };
}
namespace message {
enum { kVersion, kHeaderCode, kHeader, kBodyLength };
}
namespace batch_table {
enum { kLength, kCounts, kBuffers, kCompression };
}
namespace footer_table {
enum { kVersion, kSchema, kDictionaries, kBatches };
}

// ---- writing

class TableMaker {
 public:
  explicit TableMaker(FlatBufferBuilder& fbb) : fbb_(fbb), start_(fbb.StartTable()) {}
  template <typename T>
  void number(int slot, T value, T fallback = 0) {
    fbb_.AddElement<T>(FieldIndexToOffset(static_cast<uint16_t>(slot)), value, fallback);
  }
  template <typename T>
  void at(int slot, Offset<T> offset) {
    fbb_.AddOffset(FieldIndexToOffset(static_cast<uint16_t>(slot)), offset);
  }
  Offset<Table> end() { return Offset<Table>(fbb_.EndTable(start_)); }

 private:
  FlatBufferBuilder& fbb_;
  uoffset_t start_;
};

TypeCode code_of(ArrowType type) {
  switch (type) {
    case ArrowType::kInt64:
    case ArrowType::kUint64:
      return kInt;
    case ArrowType::kFloat64:
      return kFloatingPoint;
    case ArrowType::kUtf8:
      return kUtf8Text;
    case ArrowType::kBinary:
      return kBinaryBytes;
    case ArrowType::kDate32:
      return kDate;
    case ArrowType::kTime64:
      return kTime;
    case ArrowType::kTimestamp:
      return kTimestampType;
    case ArrowType::kDuration:
      return kDurationType;
    case ArrowType::kDecimal128:
      return kDecimal;
  }
  return kUtf8Text;
}

Offset<Table> make_type(FlatBufferBuilder& fbb, ArrowType type) {
  TableMaker out(fbb);
  switch (code_of(type)) {
    case kInt:  // bits, signed
      out.number<int32_t>(0, 64);
      out.number<uint8_t>(1, type == ArrowType::kInt64 ? 1 : 0);
      break;
    case kFloatingPoint:  // precision: double
      out.number<int16_t>(0, 2);
      break;
    case kDecimal:  // digits, scale; 128 bits unless said
      out.number<int32_t>(0, kDecimalDigits);
      out.number<int32_t>(1, kDecimalScale);
      break;
    case kDate:  // unit: days, where milliseconds would be left out
      out.number<int16_t>(0, 0, kMilliseconds);
      break;
    case kTime:  // unit, bits
      out.number<int16_t>(0, kMicroseconds, kMilliseconds);
      out.number<int32_t>(1, 64, 32);
      break;
    case kTimestampType:
      out.number<int16_t>(0, kMicroseconds);
      break;
    case kDurationType:
      out.number<int16_t>(0, kMicroseconds, kMilliseconds);
      break;
    default:
      break;
  }
  return out.end();
}

Offset<Table> make_schema(FlatBufferBuilder& fbb, const std::vector<ArrowColumn>& columns) {
  std::vector<Offset<Table>> fields;
  for (const ArrowColumn& column : columns) {
    auto name = fbb.CreateString(column.name);
    auto type = make_type(fbb, column.type);
    auto children = fbb.CreateVector(std::vector<Offset<Table>>());  // some readers insist
    TableMaker out(fbb);
    out.at(field::kName, name);
    out.number<uint8_t>(field::kNullable, 1);
    out.number<uint8_t>(field::kTypeCode, code_of(column.type));
    out.at(field::kType, type);
    out.at(field::kChildren, children);
    fields.push_back(out.end());
  }
  auto all = fbb.CreateVector(fields);
  TableMaker out(fbb);
  out.at(schema::kFields, all);
  return out.end();
}

std::string finished(FlatBufferBuilder& fbb, Offset<Table> root) {
  fbb.Finish(root);
  return {reinterpret_cast<const char*>(fbb.GetBufferPointer()), fbb.GetSize()};
}

std::string make_message(FlatBufferBuilder& fbb, HeaderCode code, Offset<Table> header,
                         int64_t body_bytes) {
  TableMaker out(fbb);
  out.number<int16_t>(message::kVersion, kVersion5);
  out.number<uint8_t>(message::kHeaderCode, code);
  out.at(message::kHeader, header);
  out.number<int64_t>(message::kBodyLength, body_bytes);
  return finished(fbb, out.end());
}

// ---- reading

// One FlatBuffer from outside. Everything that is read of it was verified before.
class Metadata {
 public:
  Metadata(std::string_view bytes, const std::string& place)
      : words_(bytes.size() / 8 + 1), place_(place), verifier_(copy(bytes), bytes.size()) {
    if (bytes.size() < 8 || bytes.size() > FLATBUFFERS_MAX_BUFFER_SIZE / 2) refuse("no metadata");
  }

  [[noreturn]] void refuse(const std::string& why) const {
    throw Error(ErrorCode::kCorrupt, "not a sound Arrow file: " + why,
                "write it again, or restore it from the store", place_);
  }
  void need(bool good) const {
    if (!good) refuse("its metadata points outside itself");
  }
  const Table* root() { return table_at(begin(), 0); }

  template <typename T>
  T number(const Table* table, int slot, T fallback = 0) {
    auto where = FieldIndexToOffset(static_cast<uint16_t>(slot));
    need(table->VerifyField<T>(verifier_, where, sizeof(T)));
    return table->GetField<T>(where, fallback);
  }
  // Null where it is left out.
  const Table* table(const Table* parent, int slot) {
    const uint8_t* at = pointer(parent, slot);
    return at == nullptr ? nullptr : checked(at);
  }
  const Table* needed_table(const Table* parent, int slot, const char* what) {
    const Table* found = table(parent, slot);
    if (found == nullptr) refuse(std::string("it has no ") + what);
    return found;
  }
  std::string text(const Table* parent, int slot) {
    auto* at = reinterpret_cast<const flatbuffers::String*>(pointer(parent, slot));
    need(verifier_.VerifyString(at));
    return at == nullptr ? "" : at->str();
  }
  template <typename T>
  std::vector<T> structs(const Table* parent, int slot) {
    const uint8_t* at = pointer(parent, slot);
    std::vector<T> all(at == nullptr ? 0 : items(at, sizeof(T)));
    if (!all.empty()) std::memcpy(all.data(), at + sizeof(uoffset_t), all.size() * sizeof(T));
    return all;
  }
  std::vector<const Table*> tables(const Table* parent, int slot) {
    const uint8_t* at = pointer(parent, slot);
    std::vector<const Table*> all(at == nullptr ? 0 : items(at, sizeof(uoffset_t)));
    for (size_t i = 0; i < all.size(); ++i) {
      all[i] = table_at(at, sizeof(uoffset_t) * static_cast<uint32_t>(i + 1));
    }
    return all;
  }
  bool has(const Table* parent, int slot) const {
    return parent->CheckField(FieldIndexToOffset(static_cast<uint16_t>(slot)));
  }

 private:
  // Aligned as FlatBuffers asks for.
  const uint8_t* copy(std::string_view bytes) {
    std::memcpy(words_.data(), bytes.data(), bytes.size());
    return begin();
  }
  const uint8_t* begin() const { return reinterpret_cast<const uint8_t*>(words_.data()); }
  const uint8_t* pointer(const Table* parent, int slot) {
    auto where = FieldIndexToOffset(static_cast<uint16_t>(slot));
    need(parent->VerifyOffset(verifier_, where));
    return parent->GetPointer<const uint8_t*>(where);
  }
  size_t items(const uint8_t* at, size_t bytes_each) {
    need(verifier_.VerifyVectorOrString(at, bytes_each));
    return flatbuffers::ReadScalar<uoffset_t>(at);
  }
  const Table* table_at(const uint8_t* base, uint32_t offset) {
    uoffset_t step = verifier_.VerifyOffset(static_cast<size_t>(base - begin()) + offset);
    need(step != 0);
    return checked(base + offset + step);
  }
  const Table* checked(const uint8_t* at) {
    need(verifier_.VerifyTableStart(at) && verifier_.EndTable());
    return reinterpret_cast<const Table*>(at);
  }

  std::vector<uint64_t> words_;
  const std::string& place_;
  flatbuffers::Verifier verifier_;
};

void check_version(Metadata& in, const Table* table, int slot) {
  auto version = in.number<int16_t>(table, slot);
  if (version != kVersion4 && version != kVersion5) {
    in.refuse(fmt::format("metadata version {}", version + 1));
  }
}

ArrowType read_type(Metadata& in, const Table* column, const std::string& name) {
  auto code = in.number<uint8_t>(column, field::kTypeCode);
  const Table* type = in.needed_table(column, field::kType, "type for a column");
  auto is = [&](auto fallback, int slot, auto wanted) {
    return in.number<decltype(fallback)>(type, slot, fallback) == wanted;
  };
  constexpr int16_t none = 0;
  constexpr int32_t zero = 0;
  if (code == kInt && is(zero, 0, 64)) {
    return is(uint8_t{0}, 1, 0) ? ArrowType::kUint64 : ArrowType::kInt64;
  }
  if (code == kFloatingPoint && is(none, 0, 2)) return ArrowType::kFloat64;
  if (code == kBinaryBytes) return ArrowType::kBinary;
  if (code == kUtf8Text) return ArrowType::kUtf8;
  if (code == kDecimal && is(zero, 0, kDecimalDigits) && is(zero, 1, kDecimalScale) &&
      is(int32_t{128}, 2, 128)) {
    return ArrowType::kDecimal128;
  }
  if (code == kDate && is(kMilliseconds, 0, 0)) return ArrowType::kDate32;
  if (code == kTime && is(kMilliseconds, 0, kMicroseconds) && is(int32_t{32}, 1, 64)) {
    return ArrowType::kTime64;
  }
  if (code == kTimestampType && is(none, 0, kMicroseconds) && !in.has(type, 1)) {
    return ArrowType::kTimestamp;
  }
  if (code == kDurationType && is(kMilliseconds, 0, kMicroseconds)) return ArrowType::kDuration;
  in.refuse(fmt::format("column {} is of a type that is not read here ({})",
                        Json(name).dump(-1, ' ', true, Json::error_handler_t::replace), code));
}

std::vector<ArrowColumn> read_schema(Metadata& in, const Table* table) {
  if (in.number<int16_t>(table, schema::kEndianness) != 0) in.refuse("it is big-endian");
  std::vector<ArrowColumn> columns;
  for (const Table* column : in.tables(table, schema::kFields)) {
    std::string name = in.text(column, field::kName);
    if (!valid_utf8(name)) in.refuse("a column's name is not UTF-8");
    if (in.has(column, field::kDictionary)) in.refuse("a column is dictionary-encoded");
    if (!in.tables(column, field::kChildren).empty()) in.refuse("a column is nested");
    ArrowType type = read_type(in, column, name);
    columns.push_back({std::move(name), type});
    if (columns.size() > kMaxColumns) in.refuse("more than 65,536 columns");
  }
  return columns;
}

}  // namespace

std::string arrow_schema_message(const std::vector<ArrowColumn>& columns) {
  FlatBufferBuilder fbb;
  auto header = make_schema(fbb, columns);
  return make_message(fbb, kSchemaHeader, header, 0);
}

std::string arrow_batch_message(const ArrowBatch& batch) {
  FlatBufferBuilder fbb;
  auto buffers = fbb.CreateVectorOfStructs(batch.buffers.data(), batch.buffers.size());
  auto counts = fbb.CreateVectorOfStructs(batch.counts.data(), batch.counts.size());
  TableMaker out(fbb);
  out.number<int64_t>(batch_table::kLength, batch.rows);
  out.at(batch_table::kCounts, counts);
  out.at(batch_table::kBuffers, buffers);
  auto header = out.end();
  return make_message(fbb, kBatchHeader, header, batch.body_bytes);
}

std::string arrow_footer(const ArrowFooter& footer) {
  FlatBufferBuilder fbb;
  auto blocks = fbb.CreateVectorOfStructs(footer.blocks.data(), footer.blocks.size());
  auto none = fbb.CreateVectorOfStructs(footer.blocks.data(), 0);
  auto columns = make_schema(fbb, footer.columns);
  TableMaker out(fbb);
  out.number<int16_t>(footer_table::kVersion, kVersion5);
  out.at(footer_table::kSchema, columns);
  out.at(footer_table::kDictionaries, none);
  out.at(footer_table::kBatches, blocks);
  return finished(fbb, out.end());
}

ArrowFooter read_arrow_footer(std::string_view bytes, const std::string& place) {
  Metadata in(bytes, place);
  const Table* root = in.root();
  check_version(in, root, footer_table::kVersion);
  ArrowFooter footer;
  footer.columns =
      read_schema(in, in.needed_table(root, footer_table::kSchema, "schema in its footer"));
  footer.blocks = in.structs<ArrowBlock>(root, footer_table::kBatches);
  return footer;
}

ArrowBatch read_arrow_batch(std::string_view bytes, const std::string& place) {
  Metadata in(bytes, place);
  const Table* root = in.root();
  check_version(in, root, message::kVersion);
  if (in.number<uint8_t>(root, message::kHeaderCode) != kBatchHeader) {
    in.refuse("a block is not a batch");
  }
  ArrowBatch batch;
  batch.body_bytes = in.number<int64_t>(root, message::kBodyLength);
  const Table* table = in.needed_table(root, message::kHeader, "batch in a message");
  if (in.has(table, batch_table::kCompression)) in.refuse("a batch is compressed");
  batch.rows = in.number<int64_t>(table, batch_table::kLength);
  batch.counts = in.structs<ArrowCount>(table, batch_table::kCounts);
  batch.buffers = in.structs<ArrowBuffer>(table, batch_table::kBuffers);
  return batch;
}

}  // namespace lockstep
