#include "pipeline/daemon/given_files.h"

#include <fmt/format.h>

#include "pipeline/base/folder.h"
#include "pipeline/base/json_spans.h"
#include "pipeline/exec/results.h"
#include "pipeline/formats/csv.h"
#include "pipeline/formats/safetensors.h"

namespace lockstep {
namespace {

constexpr uint64_t kMaxList_bytes = 8ull << 20, kMaxMetrics_bytes = 1ull << 20;
constexpr uint64_t kMaxModel_bytes = 64ull << 30;

std::string replaced(std::string text, const std::string& what, const std::string& by) {
  for (size_t at = text.find(what); at != text.npos; at = text.find(what, at + by.size())) {
    text.replace(at, what.size(), by);
  }
  return text;
}

[[noreturn]] void invalid(const std::string& message, const fs::path& place,
                          const std::string& hint = "") {
  throw Error(ErrorCode::kInvalid, message, hint, printable(place.string()));
}

bool there(const fs::path& path) {
  std::error_code none;
  return fs::symlink_status(path, none).type() != fs::file_type::not_found;
}

// A model's name is one part of a path, and none that leads elsewhere.
bool is_part(const std::string& name) {
  return valid_relative_path(name) && name.find('/') == name.npos;
}

// Whatever the file system says goes by the name of the file.
template <class F>
auto of_file(const fs::path& file, F act) -> decltype(act()) {
  try {
    return act();
  } catch (const fs::filesystem_error& error) {
    throw Error(ErrorCode::kUnavailable, error.code().message(), "", printable(file.string()));
  }
}

fs::path metrics_beside(const fs::path& file, const std::string& model) {
  const fs::path folder = file.parent_path(), stem = file.stem();
  for (const std::string& name : {model + ".metrics.json", stem.string() + ".metrics.json"}) {
    if (is_part(name) && there(folder / name)) return folder / name;
  }
  const fs::path plain = folder / "metrics.json";
  return stem == "model" && there(plain) ? plain : fs::path();
}

Digest take_folder(const fs::path& folder, ArtifactStore* store) {
  const std::vector<FolderEntry> entries = scan_folder(folder);
  if (!store) return sha256(folder_listing(entries));
  for (const FolderEntry& entry : entries) {
    if (store->put_file(folder / entry.path) == entry.digest) continue;
    throw Error(ErrorCode::kConflict, entry.path + " changed while it was taken over", "",
                printable(folder.string()));
  }
  return store->put(folder_listing(entries));
}

}  // namespace

GivenFiles::GivenFiles(const std::string& from) : from_(from) {
  if (from_.is_relative()) throw Error(ErrorCode::kInvalid, "`from` is not an absolute path");
  if (from.find("{model}") != from.npos) return;
  if (!there(from_)) {
    throw Error(ErrorCode::kNotFound, "there is no " + printable(from),
                "name a folder, a list (.json, .csv), or a path with {model} in it");
  }
  if (fs::is_directory(from_)) return;
  list_ = true;
  read_list(from_);
}

void GivenFiles::read_list(const fs::path& list) {
  const std::string text = real_files().read(list, kMaxList_bytes);
  const std::string place = printable(list.string());
  if (!valid_utf8(text)) invalid("the list is not UTF-8", list);
  auto add = [&](const std::string& model, const std::string& file, const std::string& where) {
    if (model.empty() || file.empty()) invalid("a line without a model or without a file", where);
    if (listed_.emplace(model, list.parent_path() / file).second) return;
    invalid(printable(model) + " is named twice", where, "leave one of the two");
  };
  if (list.extension() == ".csv") {
    CsvReader reader(text, place);
    std::vector<CsvField> row;
    const bool head =
        reader.next(row) && row.size() == 2 && row[0].text == "model" && row[1].text == "file";
    if (!head) invalid("the list does not begin with the line `model,file`", list);
    while (reader.next(row)) {
      add(row[0].text, row[1].text, fmt::format("{}:{}", place, reader.line()));
    }
    return;
  }
  if (list.extension() != ".json") {
    invalid("not a list of models and files", list,
            "a list ends in .json or .csv; a path with {model} in it names one file for each");
  }
  try {
    for (const JsonMember& member : json_members(text)) {
      std::optional<std::string> file = json_text(member.value);
      if (!file) invalid("the file of " + std::string(member.name) + " is no text", list);
      add(*json_text(member.name), *file, place);
    }
  } catch (const Error& error) {
    if (!error.where.empty()) throw;
    throw Error(error.code, error.message, "{\"MODEL\": \"PATH\"}", place);
  }
}

std::set<std::string> GivenFiles::named() const {
  std::set<std::string> names;
  for (const auto& [model, file] : listed_) names.insert(model);
  return names;
}

std::optional<fs::path> GivenFiles::find(const std::string& model, const std::string& ending,
                                         int64_t version) const {
  if (list_) {
    auto found = listed_.find(version > 0 ? model + "@" + std::to_string(version) : model);
    if (found == listed_.end()) found = listed_.find(model);
    if (found == listed_.end()) return std::nullopt;
    if (there(found->second)) return found->second;
    throw Error(ErrorCode::kNotFound, "the file of " + model + " is not there", "",
                printable(found->second.string()));
  }
  if (!is_part(model)) return std::nullopt;
  std::string pattern = from_.string();
  if (pattern.find("{model}") == pattern.npos) {
    pattern += version > 0 ? "/{model}@{version}" + ending : "/{model}" + ending;
  }
  const fs::path file =
      replaced(replaced(pattern, "{version}", std::to_string(version)), "{model}", model);
  return there(file) ? std::optional(file) : std::nullopt;
}

bool GivenFiles::names_version(const std::string& model, int64_t version) const {
  if (list_) return listed_.count(model + "@" + std::to_string(version)) > 0;
  const std::string pattern = from_.string();
  return pattern.find("{model}") == pattern.npos || pattern.find("{version}") != pattern.npos;
}

Digest take_bytes(const fs::path& file, ArtifactStore* store, bool* folder) {
  return of_file(file, [&] {
    *folder = fs::symlink_status(file).type() == fs::file_type::directory;
    if (*folder) return take_folder(file, store);
    const Digest digest = hash_file(file).digest;  // refuses links and special files
    return store ? store->put_file(file) : digest;
  });
}

GivenModel take_given(const fs::path& file, const std::string& model,
                      const std::map<std::string, std::string>& outputs, ArtifactStore* store) {
  GivenModel given;
  bool folder = false;
  const std::string place = printable(file.string());
  if (fs::path(outputs.at("model")).extension() == ".safetensors" && !fs::is_directory(file)) {
    hash_file(file);
    read_safetensors(real_files().read(file, kMaxModel_bytes), place);
  }
  given.outputs["model"] = take_bytes(file, store, &folder);
  given.folders["model"] = folder;
  const fs::path metrics = metrics_beside(file, model);
  if (metrics.empty()) return given;
  hash_file(metrics);
  const std::string text = real_files().read(metrics, kMaxMetrics_bytes);
  try {
    given.metrics = metrics_of(text);
  } catch (const Error& error) {
    throw Error(error.code, error.message, error.hint, printable(metrics.string()));
  }
  if (outputs.count("metrics")) {
    given.outputs["metrics"] = store ? store->put(text) : sha256(text);
    given.folders["metrics"] = false;
  }
  return given;
}

}  // namespace lockstep
