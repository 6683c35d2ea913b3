// Texts of foreign ledgers, read strictly.
#include <algorithm>
#include <set>

#include "pipeline/base/clock.h"
#include "pipeline/base/error.h"
#include "pipeline/base/text.h"
#include "registry/rules/import.h"

namespace lockstep {
namespace {

using Ordered = nlohmann::ordered_json;

constexpr size_t kMostModels = 100'000, kMaxName_bytes = 128;
// As they are tried: what is written in order is sorted, not by chance.
constexpr ManifestStyle kStyles[] = {ManifestStyle::kCanonical, ManifestStyle::kPythonJsonSorted,
                                     ManifestStyle::kPythonJson};

[[noreturn]] void invalid(const std::string& message, const std::string& place,
                          const std::string& hint = "") {
  throw Error(ErrorCode::kInvalid, message, hint, place);
}

void need_utf8(const std::string& text, const std::string& place) {
  if (valid_utf8(text)) return;
  size_t line = 1, begin = 0;
  for (size_t end; (end = text.find('\n', begin)) != text.npos; begin = end + 1, ++line) {
    if (!valid_utf8(text.substr(begin, end - begin))) break;
  }
  invalid("not UTF-8", place + ":" + std::to_string(line), "write the ledger in UTF-8");
}

// A document with the order of its members; of a name given twice the name is said.
Ordered parse(const std::string& text, const std::string& place) {
  std::vector<std::set<std::string>> open;
  std::string twice;
  auto note = [&](int, Ordered::parse_event_t event, Ordered& value) {
    if (event == Ordered::parse_event_t::object_start) open.emplace_back();
    if (event == Ordered::parse_event_t::object_end) open.pop_back();
    if (event == Ordered::parse_event_t::key && twice.empty() &&
        !open.back().insert(value.get<std::string>()).second) {
      twice = value.get<std::string>();
    }
    return true;
  };
  Ordered document;
  try {
    document = Ordered::parse(text, note);
  } catch (const nlohmann::json::exception& error) {
    invalid(std::string("not JSON: ") + error.what(), place);
  }
  if (!twice.empty()) {
    invalid("`" + printable(twice) + "` is there twice in one object", place,
            "one of the two is wrong: a manifest names each model once");
  }
  return document;
}

std::string text_of(const Ordered& object, const char* name, const std::string& place) {
  auto found = object.find(name);
  if (found == object.end() || found->is_null()) return "";
  if (!found->is_string()) invalid("`" + std::string(name) + "` is no text", place);
  return found->get<std::string>();
}

void need_name(const std::string& name, const std::string& place) {
  const bool control = std::any_of(name.begin(), name.end(), [](char c) {
    return static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
  });
  if (!name.empty() && name.size() <= kMaxName_bytes && !control && name != "." && name != ".." &&
      name.find('/') == name.npos && name.find('@') == name.npos) {
    return;
  }
  invalid("`" + printable(name) + "` can't be a model's name", place,
          "1 to 128 bytes, without control characters, `/` and `@`");
}

int64_t version_of(const std::string& text, const std::string& name, const std::string& place) {
  const bool digits = !text.empty() && text.size() <= 15 && text[0] != '0' &&
                      text.find_first_not_of("0123456789") == text.npos;
  if (digits) return std::stoll(text);
  invalid("version `" + printable(text) + "` of " + printable(name) + " is no whole number from 1",
          place,
          "number the versions of such a model, and the tag of the manifest will be another");
}

std::vector<std::pair<std::string, int64_t>> versions_of(const Ordered& manifest,
                                                         const std::string& place) {
  if (!manifest.is_object() || manifest.empty()) {
    invalid("the manifest is no object of models and versions", place);
  }
  if (manifest.size() > kMostModels) invalid("the manifest names too many models", place);
  std::vector<std::pair<std::string, int64_t>> all;
  for (const auto& [name, version] : manifest.items()) {
    need_name(name, place);
    if (!version.is_string()) {
      invalid("the version of " + printable(name) + " is no text", place,
              "a manifest is {\"model\": \"version\"}");
    }
    all.emplace_back(name, version_of(version.get<std::string>(), name, place));
  }
  return all;
}

std::string bytes_of(const ForeignRelease& release, ManifestStyle style) {
  std::vector<std::pair<std::string, std::string>> texts;
  for (const auto& [name, version] : release.versions) {
    texts.emplace_back(name, std::to_string(version));
  }
  return manifest_bytes(texts, style);
}

void need_tag(const std::string& tag, const std::string& place) {
  if (tag.size() == 32 && tag.find_first_not_of("0123456789abcdef") == tag.npos) return;
  invalid("`" + printable(tag) + "` is no tag", place, "a tag is an MD5: 32 lower-case hex digits");
}

// Bytes and tag of a manifest that is told as values.
void write_manifest(ForeignRelease& release, std::optional<ManifestStyle> wanted) {
  for (ManifestStyle style : kStyles) {
    if (wanted ? style != *wanted : release.tag.empty() && style != kStyles[0]) continue;
    release.style = style;
    release.manifest = bytes_of(release, style);
    if (release.tag.empty()) release.tag = manifest_tag(release.manifest);
    if (manifest_tag(release.manifest) == release.tag) return;
  }
  std::string tried;
  for (ManifestStyle style : kStyles) {
    if (wanted && style != *wanted) continue;
    tried += (tried.empty() ? "" : ", ") + std::string(word(style)) + " has " +
             manifest_tag(bytes_of(release, style));
  }
  invalid("tag " + release.tag + " is not the MD5 of its manifest", release.place,
          "of this manifest " + tried + "; was it written in another style?");
}

void read_digest(const std::string& name, const Ordered& digest, const ForeignRelease& release,
                 ForeignLedger& ledger) {
  const std::string& place = release.place;
  auto known = std::find_if(release.versions.begin(), release.versions.end(),
                            [&](const auto& one) { return one.first == name; });
  if (known == release.versions.end()) {
    invalid("a digest of " + printable(name) + ", which the manifest does not name", place);
  }
  if (!digest.is_string()) invalid("the digest of " + printable(name) + " is no text", place);
  Digest read;
  try {
    read = Digest::parse(digest.get<std::string>());
  } catch (const Error& error) {
    invalid("the digest of " + printable(name) + ": " + error.message, place);
  }
  auto [at, fresh] = ledger.digests.emplace(*known, read);
  if (fresh || at->second == read) return;
  invalid("version " + std::to_string(known->second) + " of " + printable(name) +
              " has another digest in an earlier place",
          place, "a version's bytes never change");
}

void read_digests(const Ordered& digests, const ForeignRelease& release, ForeignLedger& ledger) {
  if (!digests.is_object()) invalid("`sha256` is no object of models and digests", release.place);
  for (const auto& [name, digest] : digests.items()) read_digest(name, digest, release, ledger);
}

void read_models(const Ordered& models, const std::string& place, ForeignLedger& ledger) {
  if (!models.is_object()) invalid("`models` is no object", place);
  for (const auto& [name, versions] : models.items()) {
    const std::string where = place + ", model " + printable(name);
    need_name(name, where);
    if (!versions.is_object()) invalid("not {\"version\": \"sha256\"}", where);
    for (const auto& [version, digest] : versions.items()) {
      ForeignRelease one;
      one.place = where;
      one.versions = {{name, version_of(version, name, where)}};
      Ordered told = Ordered::object();
      told[name] = digest;
      read_digests(told, one, ledger);
    }
  }
}

void refuse_unknown(const Ordered& object, std::initializer_list<const char*> known,
                    const std::string& place) {
  for (const auto& [name, value] : object.items()) {
    const bool fine = std::any_of(known.begin(), known.end(),
                                  [&name = name](const char* one) { return name == one; });
    if (!fine) invalid("`" + printable(name) + "` is not known here", place);
  }
}

std::string said_of(const Ordered& one, const std::string& place) {
  std::string said;
  for (const char* name : {"time", "who", "why"}) {
    const std::string text = printable(text_of(one, name, place), 500);
    if (!text.empty()) said += (said.empty() ? "" : ", ") + text;
  }
  return said;
}

}  // namespace

int64_t told_time(const std::string& said) {
  const size_t first = said.find(' ');
  const size_t second = first == said.npos ? first : said.find(' ', first + 1);
  for (const std::string& text : {said, said.substr(0, second), said.substr(0, first)}) {
    try {
      return parse_time(text.ends_with(',') ? text.substr(0, text.size() - 1) : text);
    } catch (const Error&) {
      // No time: it may be told otherwise, "spring".
    }
  }
  return 0;
}

std::string_view word(ManifestStyle style) {
  constexpr std::string_view kWords[] = {"canonical", "python-json", "python-json-sorted"};
  return kWords[static_cast<size_t>(style)];
}

std::optional<ManifestStyle> manifest_style(const std::string& text) {
  for (ManifestStyle style : kStyles) {
    if (word(style) == text) return style;
  }
  return std::nullopt;
}

ForeignLedger read_foreign_ledger(const std::string& text, const std::string& place,
                                  std::optional<ManifestStyle> style, const std::string& channel) {
  need_utf8(text, place);
  const Ordered document = parse(text, place);
  ForeignLedger ledger;
  const bool object = document.is_object();
  if (object) refuse_unknown(document, {"releases", "models"}, place);
  const Ordered releases = object ? document.value("releases", Ordered()) : document;
  if (!releases.is_array() || releases.empty()) {
    invalid("there is no list of releases", place,
            "[{\"tag\": \"…\", \"manifest\": {\"model\": \"1\"}}, …], in the order of history");
  }
  for (const Ordered& one : releases) {
    ForeignRelease release;
    release.place = place + ", release " + std::to_string(ledger.releases.size() + 1);
    if (!one.is_object()) invalid("not an object", release.place);
    refuse_unknown(one, {"manifest", "tag", "channel", "time", "who", "why", "sha256"},
                   release.place);
    release.versions = versions_of(one.value("manifest", Ordered()), release.place);
    release.tag = text_of(one, "tag", release.place);
    if (!release.tag.empty()) need_tag(release.tag, release.place);
    release.channel = text_of(one, "channel", release.place);
    if (release.channel.empty()) release.channel = channel;
    release.said = said_of(one, release.place);
    release.told_ms = told_time(text_of(one, "time", release.place));
    write_manifest(release, style);
    if (one.contains("sha256")) read_digests(one.at("sha256"), release, ledger);
    ledger.releases.push_back(std::move(release));
  }
  if (object && document.contains("models")) read_models(document.at("models"), place, ledger);
  return ledger;
}

ForeignRelease read_foreign_manifest(const std::string& bytes, const std::string& tag,
                                     const std::string& place, std::optional<ManifestStyle> style) {
  need_tag(tag, place);
  need_utf8(bytes, place);
  ForeignRelease release;
  release.place = place;
  release.tag = tag;
  release.manifest = bytes;
  if (manifest_tag(bytes) != tag && bytes.ends_with('\n')) release.manifest.pop_back();
  release.versions = versions_of(parse(release.manifest, place), place);
  if (manifest_tag(release.manifest) != tag) {
    invalid("the file is called " + tag + ", but its MD5 is " + manifest_tag(release.manifest),
            place, "the bytes have changed since the tag was made");
  }
  for (ManifestStyle known : kStyles) {
    if (style && known != *style) continue;
    if (bytes_of(release, known) != release.manifest) continue;
    release.style = known;
    return release;
  }
  invalid("the manifest is written in no style that is known", place,
          "canonical, python-json or python-json-sorted (docs/FORMATS.md)");
}

}  // namespace lockstep
