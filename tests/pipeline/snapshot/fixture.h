// A store in a temporary folder, rows made from numbers, and what reading gives back.
// Knows nothing of any one test.
#pragma once

#include <fmt/format.h>

#include <map>

#include "pipeline/base/error.h"
#include "pipeline/base/files.h"
#include "pipeline/core/source.h"
#include "pipeline/snapshot/snapshot.h"
#include "pipeline/store/artifact_store.h"
#include "tests/catch.h"

namespace lockstep {

// No fsync: these tests lose nothing when the machine stops.
class QuickFiles : public Files {
 public:
  void write_atomic(const fs::path& path, std::string_view bytes, int mode) override {
    fs::create_directories(path.parent_path());
    FILE* file = fopen(path.c_str(), "wb");
    REQUIRE(file != nullptr);
    REQUIRE(fwrite(bytes.data(), 1, bytes.size(), file) == bytes.size());
    fclose(file);
    fs::permissions(path, static_cast<fs::perms>(mode));
  }
};

struct TestStore {
  TempFolder folder;
  QuickFiles files;
  ArtifactStore artifacts{folder.path() / "artifacts", files};
};

inline Value cell(ValueTag tag, const std::string& text) {
  return parse_value(tag, text);
}

// id int, client text: the key; then a float, a text and a datetime, some of them NULL.
inline SnapshotSchema people() {
  return {{{"text", ValueTag::kText},
           {"id", ValueTag::kInt},
           {"client", ValueTag::kText},
           {"score", ValueTag::kFloat},
           {"seen", ValueTag::kDatetime}},
          {"id", "client"}};
}

inline Row person(int64_t id, int64_t state) {
  return {cell(ValueTag::kText, fmt::format("says {}", state)),
          cell(ValueTag::kInt, std::to_string(id / 2)), cell(ValueTag::kText, id % 2 ? "b" : "a"),
          state % 7 == 0 ? null_value() : float_value(0.25 * static_cast<double>(state)),
          state % 5 == 0 ? null_value() : cell(ValueTag::kDatetime, "2026-03-03T14:00:00Z")};
}

using People = std::map<int64_t, int64_t>;  // id → state

inline Digest snapshot_of(Artifacts& artifacts, const People& people_) {
  SnapshotWriter writer(artifacts, people());
  for (const auto& [id, state] : people_) writer.add(person(id, state));
  return writer.finish();
}

inline std::vector<Row> rows_of(Artifacts& artifacts, const Digest& snapshot,
                                const std::vector<std::string>& columns) {
  std::vector<Row> rows;
  read_snapshot(artifacts, snapshot, columns, [&](const Row& row) { rows.push_back(row); });
  return rows;
}

inline const std::vector<std::string> kAllPeople = {"text", "id", "client", "score", "seen"};

// What `from` needs to become `to`, told in no order of keys.
inline SnapshotDiff difference(const People& from, const People& to) {
  return [from, to](const DiffSink& sink) {
    for (auto it = to.rbegin(); it != to.rend(); ++it) {
      auto found = from.find(it->first);
      Row after = person(it->first, it->second);
      if (found == from.end()) {
        sink(nullptr, &after);
      } else if (found->second != it->second) {
        Row before = person(it->first, found->second);
        sink(&before, &after);
      }
    }
    for (const auto& [id, state] : from) {
      if (to.count(id) > 0) continue;
      Row before = person(id, state);
      sink(&before, nullptr);
    }
  };
}

template <typename F>
ErrorCode code_of(F&& f) {
  try {
    f();
  } catch (const Error& e) {
    return e.code;
  }
  FAIL("nothing was thrown");
  return ErrorCode::kInvalid;
}

}  // namespace lockstep
