#include "pipeline/survey/slices.h"

#include <fmt/format.h>

#include <algorithm>

namespace lockstep {

SliceGroup SliceGroup::of(const SliceSpec& spec) {
  SliceGroup group{spec.source, spec.table, spec.at, spec.columns, spec.holdout_key, {}};
  for (const auto& [column, value] : spec.where) group.cut.push_back(column);
  return group;
}

std::string cut_key(const std::vector<std::string>& values) {
  std::string key;
  for (const std::string& value : values) {
    key += fmt::format("{}:", value.size()) + value;
  }
  return values.empty() ? "*" : key;
}

// Where the digest's and the cut's columns are in the rows that are asked for.
struct SliceReader::Layout {
  std::vector<std::string> asked;     // digest columns, then cut columns that are not among them
  std::vector<std::string> digested;  // sorted; the first columns of `asked`
  std::vector<size_t> cut;            // positions in `asked`
  bool keyless = false;
  std::string shape;  // names, types and key: another shape means from scratch
};

SliceReader::SliceReader(std::map<std::string, TableStore*> stores, SliceCache& cache)
    : stores_(std::move(stores)), cache_(cache) {}

TableStore& SliceReader::store(const std::string& source) {
  auto found = stores_.find(source);
  if (found == stores_.end()) {
    throw Error(ErrorCode::kNotFound, fmt::format("{} is not a table store", source));
  }
  return *found->second;
}

std::string SliceReader::table_hash(const std::string& source, const std::string& table,
                                    const std::string& commit) {
  auto known = hashes_.find({source, commit});
  if (known == hashes_.end()) {
    if (hashes_.size() > 64) hashes_.clear();
    known = hashes_.emplace(std::pair(source, commit), std::map<std::string, std::string>()).first;
    for (const TableInfo& info : store(source).tables(commit)) {
      known->second[info.name] = info.hash;
    }
  }
  const auto& hashes = known->second;
  auto found = hashes.find(table);
  if (found == hashes.end()) {
    store(source).schema(commit, table);  // says what is wrong with it, if more than its absence
    throw Error(ErrorCode::kNotFound,
                fmt::format("{} has no table {} at commit {}", source, table, commit.substr(0, 7)));
  }
  return found->second;
}

SliceReader::Layout SliceReader::layout(const SliceGroup& group, const TableSchema& schema,
                                        const std::string& commit) {
  Layout out;
  std::map<std::string, ValueTag> types;
  for (const Column& column : schema.columns) types[column.name] = column.type;
  std::vector<std::string> read = group.columns;
  if (read.empty()) {
    for (const Column& column : schema.columns) read.push_back(column.name);
  }
  out.digested = digest_columns(read, schema.key, group.holdout_key);
  out.asked = out.digested;
  for (const std::string& column : group.cut) {
    auto found = std::find(out.asked.begin(), out.asked.end(), column);
    out.cut.push_back(static_cast<size_t>(found - out.asked.begin()));
    if (found == out.asked.end()) out.asked.push_back(column);
  }
  out.keyless = schema.key.empty();
  for (const std::string& column : out.asked) {
    auto found = types.find(column);
    if (found == types.end()) {
      throw Error(ErrorCode::kNotFound,
                  fmt::format("table {}/{} has no column {} at commit {}", group.source,
                              group.table, column, commit.substr(0, 7)));
    }
    out.shape += fmt::format("{}:{} ", column, word(found->second));
  }
  for (const std::string& column : schema.key) out.shape += "key:" + column + " ";
  return out;
}

namespace {

std::string key_of(const Row& row, const std::vector<size_t>& cut) {
  std::vector<std::string> values;
  values.reserve(cut.size());
  for (size_t at : cut) values.push_back(row[at].payload);
  return cut_key(values);
}

Row digest_part(const Row& row, size_t count) {
  return Row(row.begin(), row.begin() + static_cast<std::ptrdiff_t>(count));
}

std::string group_name(const SliceGroup& g) {
  Json json = {g.source, g.table, g.at, g.columns, g.holdout_key, g.cut};
  return sha256(json.dump()).hex();
}

}  // namespace

std::string SliceTip::name_table(const std::string& source, const std::string& table) {
  return Json::array({source, table}).dump(-1, ' ', false, Json::error_handler_t::replace);
}

// A line each; names of columns may hold line ends, so they come last.
std::string SliceTip::text() const {
  return commit + "\n" + hash + "\n" + table + "\n" + shape;
}

SliceTip SliceTip::parse(const std::string& text) {
  size_t first = text.find('\n'), second = text.find('\n', first + 1);
  if (first == text.npos || second == text.npos) return {};
  SliceTip out{text.substr(0, first), text.substr(first + 1, second - first - 1), "", ""};
  size_t third = text.find('\n', second + 1);
  bool named = third != text.npos && text[second + 1] == '[';
  if (named) out.table = text.substr(second + 1, third - second - 1);
  out.shape = text.substr((named ? third : second) + 1);
  return out;
}

std::map<std::string, SliceState> SliceReader::from_scratch(const SliceGroup& group,
                                                            const Layout& layout,
                                                            const std::string& commit) {
  std::map<std::string, SliceState> states;
  std::map<std::pair<std::string, std::string>, uint64_t> copies;  // keyless: (cut, row) → count
  TableRead request{commit, group.table, layout.asked, {}};
  store(group.source).read(request, [&](const Row& row) {
    ++rows_read_;
    std::string key = key_of(row, layout.cut);
    Row part = digest_part(row, layout.digested.size());
    if (layout.keyless) {
      ++copies[{key, row_bytes(layout.digested, part)}];
    } else {
      states[key].add(row_bytes(layout.digested, part));
    }
  });
  for (const auto& [place, count] : copies) {
    std::string bytes = place.second;
    for (int i = 0; i < 8; ++i) bytes += static_cast<char>(count >> (8 * i) & 0xff);
    states[place.first].add(bytes);
  }
  return states;
}

// The sums of all slices of a group; false when they are damaged.
bool SliceReader::remembered(const std::string& name, GroupReading& reading) {
  try {
    reading.slices = cache_.summaries(name);
    return true;
  } catch (const Error& error) {
    if (error.code != ErrorCode::kCorrupt) throw;
    return false;
  }
}

// The remembered state of one slice; throws corrupt when it is not the one that was summed up.
SliceState SliceReader::recall(const SliceGroup& group, const std::string& key,
                               const GroupReading& reading) {
  auto known = reading.slices.find(key);
  if (known == reading.slices.end()) return {};
  SliceState state = SliceState::parse(cache_.state(group_name(group), key));
  if (state.summary() == known->second) return state;
  throw Error(ErrorCode::kCorrupt, "a remembered slice is damaged");
}

bool SliceReader::from_diff(const SliceGroup& group, const Layout& layout, const std::string& from,
                            GroupReading& reading,
                            std::map<std::string, RememberedSlice>& changed) {
  std::map<std::string, SliceState> touched;
  auto note = [&](const Row& row, bool add) {
    std::string key = key_of(row, layout.cut);
    std::string bytes = row_bytes(layout.digested, digest_part(row, layout.digested.size()));
    auto state = touched.find(key);
    if (state == touched.end()) {
      state = touched.emplace(key, recall(group, key, reading)).first;
    }
    add ? state->second.add(bytes) : state->second.remove(bytes);
  };
  try {
    store(group.source)
        .diff(group.table, from, reading.commit, layout.asked,
              [&](const Row* before, const Row* after) {
                ++rows_read_;
                if (before) note(*before, false);
                if (after) note(*after, true);
              });
  } catch (const Error& error) {
    // The old commit is gone, the key changed, or what was remembered is damaged: it can't be
    // brought forward. From scratch either works or says what is wrong.
    if (error.code == ErrorCode::kUnavailable) throw;
    return false;
  }
  for (const auto& [key, state] : touched) {
    bool gone = state.rows() == 0;
    changed[key] = {state.summary(), gone ? std::string() : state.serialize()};
    if (gone) {
      reading.slices.erase(key);
    } else {
      reading.slices[key] = changed[key].summary;
    }
  }
  return true;
}

GroupReading SliceReader::read(const SliceGroup& group, const std::string& plan_commit) {
  TableStore& tables = store(group.source);
  std::string commit = group.at.empty() ? plan_commit : tables.resolve(group.at);
  std::string hash = table_hash(group.source, group.table, commit);
  std::string name = group_name(group);
  const SliceTip tip = SliceTip::parse(cache_.tip(name));
  const std::string table = SliceTip::name_table(group.source, group.table);
  GroupReading reading{commit, {}, nullptr};
  if (group.columns.empty()) {
    std::vector<std::string> all;
    for (const Column& column : tables.schema(commit, group.table).columns) {
      all.push_back(column.name);
    }
    std::sort(all.begin(), all.end());
    reading.columns = std::make_shared<const std::vector<std::string>>(std::move(all));
  }
  bool known = !tip.commit.empty() && remembered(name, reading);
  if (known && tip.hash == hash) {
    // Equal content and schema: nothing of the table needs to be looked at.
    SliceTip now{commit, hash, table, tip.shape};
    if (tip.text() != now.text()) cache_.update(name, now.text(), {}, false);
    return reading;
  }
  Layout where = layout(group, tables.schema(commit, group.table), commit);
  SliceTip now{commit, hash, table, where.shape};
  std::map<std::string, RememberedSlice> changed;
  bool usable = known && tip.shape == where.shape && !where.keyless;
  if (usable && from_diff(group, where, tip.commit, reading, changed)) {
    cache_.update(name, now.text(), changed, false);
    return reading;
  }
  reading.slices.clear();
  changed.clear();
  for (const auto& [key, state] : from_scratch(group, where, commit)) {
    changed[key] = {state.summary(), state.serialize()};
    reading.slices[key] = changed[key].summary;
  }
  cache_.update(name, now.text(), changed, true);
  return reading;
}

std::map<std::string, RowCounts> SliceReader::changes(const SliceGroup& group,
                                                      const std::string& from,
                                                      const std::string& to) {
  std::map<std::string, RowCounts> counts;
  if (from == to || !group.at.empty()) return counts;
  TableStore& tables = store(group.source);
  Layout where = layout(group, tables.schema(to, group.table), to);
  tables.diff(group.table, from, to, where.asked, [&](const Row* before, const Row* after) {
    std::string old_key = before ? key_of(*before, where.cut) : "";
    std::string new_key = after ? key_of(*after, where.cut) : "";
    if (before && after && old_key == new_key) {
      size_t n = where.digested.size();
      if (digest_part(*before, n) != digest_part(*after, n)) ++counts[new_key].changed;
      return;
    }
    if (before) ++counts[old_key].removed;
    if (after) ++counts[new_key].added;
  });
  return counts;
}

}  // namespace lockstep
