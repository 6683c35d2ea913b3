#include "pipeline/formats/tar.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "pipeline/base/error.h"
#include "pipeline/base/json.h"

namespace lockstep {
namespace {

constexpr size_t kBlock = 512;
constexpr uint64_t kOctalLimit = 1ull << 33;  // eleven octal digits
constexpr size_t kNameLimit = 100;
constexpr size_t kPathLimit = 4096;

using Block = std::array<char, kBlock>;

uint64_t padding(uint64_t size) {
  return (kBlock - size % kBlock) % kBlock;
}

// The ustar checksum: the sum of the header's bytes with the checksum field as spaces.
unsigned checksum(std::string_view header) {
  unsigned sum = 0;
  for (size_t i = 0; i < kBlock; ++i) {
    sum += i >= 148 && i < 156 ? ' ' : static_cast<unsigned char>(header[i]);
  }
  return sum;
}

void put(Block& block, size_t at, std::string_view text) {
  std::copy(text.begin(), text.end(), block.begin() + static_cast<std::ptrdiff_t>(at));
}

Block ustar_header(const std::string& name, char type, uint64_t size, int mode) {
  Block block{};
  put(block, 0, std::string_view(name).substr(0, kNameLimit));
  put(block, 100, fmt::format("{:07o}", mode));
  put(block, 108, "0000000");
  put(block, 116, "0000000");
  put(block, 124, fmt::format("{:011o}", size));
  put(block, 136, "00000000000");
  block[156] = type;
  put(block, 257, std::string_view("ustar\00000", 8));
  put(block, 329, "0000000");
  put(block, 337, "0000000");
  put(block, 148, fmt::format("{:06o}", checksum({block.data(), kBlock})));
  block[155] = ' ';
  return block;
}

// "<length> key=value\n", where the length counts its own digits.
std::string pax_record(std::string_view key, std::string_view value) {
  size_t rest = key.size() + value.size() + 3;
  size_t length = rest + std::to_string(rest).size();
  if (std::to_string(length).size() != std::to_string(rest).size()) ++length;
  return fmt::format("{} {}={}\n", length, key, value);
}

bool plain_ascii(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c >= 0x20 && c < 0x7f; });
}

[[noreturn]] void refuse(std::string_view path, const char* why) {
  std::string shown(path.substr(0, 200));
  for (char& c : shown) {
    if (c < 0x20 || c >= 0x7f) c = '?';
  }
  throw Error(ErrorCode::kInvalid, fmt::format("path '{}' can't enter an archive: {}", shown, why));
}

void check_part(std::string_view path, std::string_view part) {
  if (part.empty() || part == "." || part == "..")
    refuse(path, "it has an empty, '.' or '..' part");
  if (part.substr(0, 4) == ".wh.") {
    refuse(path, "names that start with '.wh.' mean deletion in an image");
  }
}

}  // namespace

void check_tar_path(std::string_view path) {
  if (path.empty()) refuse(path, "it is empty");
  if (path.size() > kPathLimit) refuse(path, "it is longer than 4096 bytes");
  if (!valid_utf8(path)) refuse(path, "it is not UTF-8");
  for (char c : path) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f || c == '\\') {
      refuse(path, "it has a control character or a backslash");
    }
  }
  for (size_t at = 0; at <= path.size();) {
    size_t end = std::min(path.find('/', at), path.size());
    check_part(path, path.substr(at, end - at));
    at = end + 1;
  }
}

void TarWriter::header(const std::string& path, char type, uint64_t size, int mode) {
  std::string pax;
  if (path.size() > kNameLimit || !plain_ascii(path)) pax += pax_record("path", path);
  if (size >= kOctalLimit) pax += pax_record("size", std::to_string(size));
  std::string name = path;
  if (!pax.empty()) {
    Block block = ustar_header("PaxHeaders.0/entry", 'x', pax.size(), 0644);
    sink_({block.data(), kBlock});
    pax.append(padding(pax.size()), '\0');
    sink_(pax);
    if (name.size() > kNameLimit || !plain_ascii(name)) name = "entry";
  }
  Block block = ustar_header(name, type, size < kOctalLimit ? size : 0, mode);
  sink_({block.data(), kBlock});
}

void TarWriter::folders_of(const std::string& path) {
  for (size_t at = path.find('/'); at != std::string::npos; at = path.find('/', at + 1)) {
    std::string folder = path.substr(0, at);
    if (files_.count(folder)) refuse(path, "one of its folders is also a file");
    if (folders_.insert(folder).second) header(folder + "/", '5', 0, 0755);
  }
}

void TarWriter::begin_file(const std::string& path, uint64_t size, bool executable) {
  end_file();
  check_tar_path(path);
  if (!last_.empty() && path <= last_) refuse(path, "it is not in ascending order");
  folders_of(path);
  if (folders_.count(path)) refuse(path, "it is also a folder");
  files_.insert(path);
  last_ = path;
  header(path, '0', size, executable ? 0755 : 0644);
  left_ = size;
  padding_ = padding(size);
}

void TarWriter::write(std::string_view bytes) {
  if (bytes.size() > left_) refuse(last_, "it has more bytes than announced");
  left_ -= bytes.size();
  if (!bytes.empty()) sink_(bytes);
}

void TarWriter::end_file() {
  if (left_ != 0) refuse(last_, "it has fewer bytes than announced");
  if (padding_ != 0) sink_(std::string(padding_, '\0'));
  padding_ = 0;
}

void TarWriter::file(const std::string& path, std::string_view bytes, bool executable) {
  begin_file(path, bytes.size(), executable);
  write(bytes);
}

void TarWriter::finish() {
  end_file();
  sink_(std::string(2 * kBlock, '\0'));
}

// ---- reading --------------------------------------------------------------------------------

namespace {

[[noreturn]] void broken(const char* why) {
  throw Error(ErrorCode::kCorrupt, fmt::format("the archive is broken: {}", why));
}

std::string_view field(std::string_view header, size_t at, size_t length) {
  std::string_view text = header.substr(at, length);
  return text.substr(0, std::min(text.find('\0'), text.size()));
}

uint64_t number(std::string_view digits, unsigned base) {
  while (!digits.empty() && digits.front() == ' ') digits.remove_prefix(1);
  while (!digits.empty() && digits.back() == ' ') digits.remove_suffix(1);
  uint64_t value = 0;
  for (char c : digits) {
    unsigned digit = static_cast<unsigned>(c - '0');
    if (c < '0' || digit >= base || value > (1ull << 58)) broken("a number is not one");
    value = value * base + digit;
  }
  return value;
}

struct Pax {
  std::optional<std::string> path;
  std::optional<uint64_t> size;
};

Pax read_pax(std::string_view records) {
  Pax pax;
  while (!records.empty()) {
    size_t space = records.find(' ');
    if (space == std::string_view::npos) broken("a pax record has no length");
    uint64_t length = number(records.substr(0, space), 10);
    if (length > records.size() || length < space + 3) broken("a pax record has a wrong length");
    std::string_view record = records.substr(space + 1, length - space - 2);
    size_t equals = record.find('=');
    if (equals == std::string_view::npos) broken("a pax record has no value");
    std::string_view key = record.substr(0, equals), value = record.substr(equals + 1);
    if (key == "path") pax.path = std::string(value);
    if (key == "size") pax.size = number(value, 10);
    records.remove_prefix(length);
  }
  return pax;
}

std::string entry_name(std::string_view header) {
  std::string name(field(header, 0, kNameLimit));
  std::string_view prefix = field(header, 345, 155);
  bool ustar = header.substr(257, 6) == std::string_view("ustar\0", 6);
  return ustar && !prefix.empty() ? fmt::format("{}/{}", prefix, name) : name;
}

}  // namespace

void each_in_tar(std::string_view tar, const std::function<bool(const TarEntry&)>& visit) {
  Pax pax;
  while (tar.size() >= kBlock) {
    std::string_view header = tar.substr(0, kBlock);
    tar.remove_prefix(kBlock);
    if (header.find_first_not_of('\0') == std::string_view::npos) return;
    if (number(field(header, 148, 8), 8) != checksum(header)) broken("a header's checksum differs");
    char type = header[156] == '\0' ? '0' : header[156];
    uint64_t size = number(field(header, 124, 12), 8);
    if (type != 'x' && pax.size) size = *pax.size;
    if (size > tar.size()) broken("it ends inside a file");
    std::string_view bytes = tar.substr(0, size);
    tar.remove_prefix(std::min<uint64_t>(size + padding(size), tar.size()));
    if (type == 'x') {
      pax = read_pax(bytes);
      continue;
    }
    bool executable = (number(field(header, 100, 8), 8) & 0100) != 0;
    if (!visit({pax.path ? *pax.path : entry_name(header), bytes, type, executable})) return;
    pax = Pax{};
  }
  broken("it has no end");
}

std::optional<std::string_view> find_in_tar(std::string_view tar, std::string_view path) {
  std::optional<std::string_view> found;
  each_in_tar(tar, [&](const TarEntry& entry) {
    if (entry.type == '0' && entry.path == path) found = entry.bytes;
    return !found;
  });
  return found;
}

}  // namespace lockstep
