// What happens at the sources: rows and code are committed, branches come and go, history is
// rewritten, places can't be read.
#include <algorithm>

#include "tests/sim/world.h"

namespace lockstep::sim {
namespace {

constexpr uint32_t kTexts = 4;  // few, so that rows become again what they were

std::string text_of(uint32_t number) {
  return "text " + std::to_string(number % kTexts);
}

}  // namespace

std::set<std::string> World::clients() const {
  std::set<std::string> names;
  FakeCommit now = tables.now();
  for (const Row& row : now.at("utterances").rows) names.insert(row[1].payload);
  return names;
}

static bool change_rows(World& world, FakeTable& table, const Event& event) {
  auto& rows = table.rows;
  if (event.what == What::kAddRow) {
    if (rows.size() >= 16) return false;
    rows.push_back({int_cell(world.next_row++), text_cell(client_name(event.a)),
                    text_cell(text_of(event.b)), text_cell("play")});
    return true;
  }
  if (rows.empty()) return false;
  size_t at = event.a % rows.size();
  if (event.what == What::kEdit) rows[at][2] = text_cell(text_of(event.b));
  if (event.what == What::kMoveRow) rows[at][1] = text_cell(client_name(event.b));
  if (event.what == What::kDropRow) rows.erase(rows.begin() + static_cast<int64_t>(at));
  if (event.what == What::kDropClient) {
    Value client = rows[at][1];
    std::erase_if(rows, [&](const Row& row) { return row[1] == client; });
  }
  return true;
}

bool World::edit_rows(const Event& event) {
  FakeCommit now = tables.now();
  if (event.what == What::kNoise) {
    now["elsewhere"] = utterances({{event.a, "z"}});
    now["utterances"].salt = std::to_string(event.b % 3);  // another hash, and the same rows
  } else if (event.what == What::kCorpus) {
    now["corpus"].rows[event.a % 2][2] = text_cell(text_of(event.b));
  } else if (!change_rows(*this, now["utterances"], event)) {
    return false;
  }
  heads.push_back(tables.commit(std::move(now)));
  return true;
}

bool World::edit_code(const Event& event) {
  static const std::vector<std::string> kFiles = {"train/fit.py", "prepare/words.py",
                                                  "tune/tune.py", "train/lock"};
  FakeTree tree = first_code();
  const std::string before = code.history.head;
  auto away = std::exchange(code.error, std::nullopt);  // not for those who commit
  for (const CodePath& path : code.list(before, {"*/"})) {
    tree[path.path] = {code.blob(path.blob, 1 << 20)};
  }
  if (event.what == What::kCode) {
    tree[kFiles[event.a % kFiles.size()]] = {"code " + std::to_string(event.b % 3)};
  }
  if (event.what == What::kFlow) shape ^= 1ULL << (event.a % kFlowBits);
  code.error = away;
  std::string commit = code.commit(std::move(tree));
  workflows.at[commit] = workflows_of(shape);
  if (event.what == What::kBreakFlow) {
    workflows.errors.emplace(commit, Error(ErrorCode::kInvalid, "no such word", "", "w.yaml:1:1"));
  } else {
    good_code = commit;
  }
  return true;
}

bool World::branch(const Event& event) {
  std::string name = event.a % 4 == 3 ? "other" : "feature/" + std::to_string(event.a % 2);
  auto known = branches.find(name);
  if (event.what == What::kForcePush) {
    if (heads.size() < 2) return false;
    size_t back = 1 + event.a % std::min<size_t>(3, heads.size() - 1);
    heads.resize(heads.size() - back);
    tables.history.head = heads.back();
    if (event.b % 2 == 0) return true;
    return edit_rows({What::kEdit, event.a / 4, event.b / 2});
  }
  if (event.what == What::kDropBranch) return branches.erase(name) > 0;
  if (event.what == What::kMerge) {
    if (known == branches.end()) return false;
    std::string head = std::exchange(tables.history.head, known->second);
    FakeCommit contents_there = tables.now();
    tables.history.head = head;
    heads.push_back(tables.commit(std::move(contents_there)));
    return true;
  }
  std::string head = tables.history.head;
  if (known != branches.end()) tables.history.head = known->second;
  static const std::vector<What> kThere = {What::kEdit, What::kEdit, What::kAddRow, What::kCorpus,
                                           What::kDropRow};
  size_t kept = heads.size();
  bool changed = edit_rows({kThere[event.b % kThere.size()], event.a / 4, event.b / 8});
  heads.resize(kept);
  std::string commit = std::exchange(tables.history.head, head);
  if (changed) branches[name] = commit;
  return changed;
}

bool World::hinder(const Event& event) {
  Error away(ErrorCode::kUnavailable, "the source does not answer");
  if (event.what == What::kDamage) {
    std::string table = event.a % 2 == 0 ? "utterances" : "corpus";
    tables.damaged.emplace(table, Error(ErrorCode::kInvalid, table + " can't be read", "", "1:1"));
    return true;
  }
  if (event.what == What::kHeal) {
    bool was = !tables.damaged.empty();
    tables.damaged.clear();
    return was;
  }
  if (event.what == What::kAway) {
    (event.a % 2 == 0 ? tables.error : code.error) = away;
    return true;
  }
  bool was = tables.error || code.error;
  tables.error.reset();
  code.error.reset();
  return was;
}

}  // namespace lockstep::sim
