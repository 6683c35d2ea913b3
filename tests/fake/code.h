// A code repository whose commits are values in memory.
// Knows nothing of git; globs are exact paths, "dir/", "dir/**" or a pattern with '*'.
#pragma once

#include "pipeline/core/names.h"
#include "tests/fake/history.h"

namespace lockstep {

struct FakeFile {
  std::string bytes;  // of a link: where it points to
  std::string mode = "100644";
};
using FakeTree = std::map<std::string, FakeFile>;

class FakeCode : public CodeRepo {
 public:
  explicit FakeCode(std::string source = "code") : history(std::move(source)) {}

  std::string commit(FakeTree files, const std::string& author = "bob") {
    std::string id = history.add(author, "code");
    for (const auto& [path, file] : files) blobs_[blob_id(file)] = file.bytes;
    return trees_[id] = std::move(files), id;
  }

  FakeHistory history;
  std::map<std::string, std::string> tags_there;  // name → commit
  std::optional<Error> error;                     // thrown by every call while set

  std::string head() override { return fail(), history.head; }
  std::string resolve(const std::string& name) override { return fail(), history.resolve(name); }
  CommitInfo commit(const std::string& id) override { return fail(), history.info(id); }
  std::vector<CommitInfo> log(const std::string& from, const std::string& to,
                              size_t limit) override {
    return fail(), history.log(from, to, limit);
  }
  bool descends(const std::string& to, const std::string& from) override {
    return fail(), history.descends(to, from);
  }
  void keep(const std::string& owner, const std::string& id) override {
    fail(), history.kept[owner].insert(history.info(id).id);
  }
  void release(const std::string& owner, const std::string& id) override {
    fail(), history.kept[owner].erase(id);
  }
  std::vector<std::string> kept(const std::string& owner) override {
    fail();
    return {history.kept[owner].begin(), history.kept[owner].end()};
  }
  std::unique_ptr<SourceWatch> watch() override { return nullptr; }
  std::map<std::string, std::string> tags() override { return fail(), tags_there; }

  std::vector<CodePath> list(const std::string& id,
                             const std::vector<std::string>& globs) override {
    fail();
    std::vector<CodePath> all;
    for (const auto& [path, file] : trees_.at(history.info(id).id)) {
      bool wanted = false;
      for (std::string glob : globs) {
        if (glob.ends_with("/")) glob += "**";
        wanted = wanted || matches(glob, path);
      }
      if (wanted) all.push_back({path, file.mode, blob_id(file)});
    }
    return all;
  }
  std::string blob(const std::string& id, uint64_t max_bytes) override {
    fail();
    std::string bytes = blobs_.at(id);
    if (bytes.size() > max_bytes) throw Error(ErrorCode::kInvalid, "blob " + id + " is too large");
    return bytes;
  }

 private:
  void fail() const {
    if (error) throw *error;
  }
  static std::string blob_id(const FakeFile& file) {
    return sha256(file.bytes).hex().substr(0, 40);
  }

  std::map<std::string, FakeTree> trees_;
  std::map<std::string, std::string> blobs_;
};

}  // namespace lockstep
