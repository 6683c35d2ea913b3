#include "pipeline/survey/surveyor.h"

#include <fmt/format.h>

#include <algorithm>

namespace lockstep {
namespace {

std::string axis_name(const MatrixAxis& axis) {
  return axis.source + "/" + axis.table + "/" + axis.column;
}

// The value in a key made of one cut value: "8:client-3" → "client-3".
std::string single_value(const std::string& key) {
  return key.substr(key.find(':') + 1);
}

// An input that is cut by exactly the axis' column gives the axis' values for free.
bool cut_by(const InputTemplate& input, const MatrixAxis& axis) {
  if (input.kind != InputKind::kRows || !input.at.empty()) return false;
  if (input.source != axis.source || input.table != axis.table) return false;
  return input.where.size() == 1 && input.where.begin()->first == axis.column;
}

SliceGroup group_of(const InputTemplate& input, const std::string& cut) {
  SliceGroup group{input.source, input.table, "", input.columns, {}, {cut}};
  std::sort(group.columns.begin(), group.columns.end());
  if (input.holdout) group.holdout_key = input.holdout->key;
  std::sort(group.holdout_key.begin(), group.holdout_key.end());
  return group;
}

}  // namespace

Surveyor::Surveyor(Watched watched, Workflows& workflows, SliceCache& cache)
    : watched_(std::move(watched)), workflows_(workflows), slices_(watched_.tables, cache) {}

FrozenNames frozen_names(const Survey& survey) {
  FrozenNames names;
  auto add = [&](const auto& specs, const auto& readings) {
    for (size_t i = 0; i < specs.size(); ++i) {
      if (specs[i].at.empty()) continue;
      auto [name, fresh] = names.try_emplace({specs[i].source, specs[i].at}, readings[i].commit);
      if (!readings[i].error.empty()) name->second = "";
    }
  };
  add(survey.graph->slices, survey.slices);
  add(survey.graph->code, survey.code);
  return names;
}

FrozenNames Surveyor::resolve(const FrozenNames& names) {
  FrozenNames now = names;
  for (auto& [name, commit] : now) {
    try {
      commit = source(name.first).resolve(name.second);
    } catch (const Error& error) {
      if (error.code == ErrorCode::kUnavailable) throw;
      commit = "";
    }
  }
  return now;
}

Source& Surveyor::source(const std::string& name) {
  auto tables = watched_.tables.find(name);
  if (tables != watched_.tables.end()) return *tables->second;
  auto code = watched_.code.find(name);
  if (code != watched_.code.end()) return *code->second;
  throw Error(ErrorCode::kNotFound, "no source is called " + name);
}

std::map<std::string, std::string> Surveyor::heads(std::map<std::string, std::string>* errors) {
  std::map<std::string, std::string> heads;
  auto look = [&](const std::string& name, Source& one) {
    try {
      heads[name] = one.head();
    } catch (const Error& error) {
      (*errors)[name] = error.what();
    }
  };
  for (auto& [name, store] : watched_.tables) look(name, *store);
  for (auto& [name, repo] : watched_.code) look(name, *repo);
  return heads;
}

std::map<std::string, std::string> Surveyor::branches(const std::string& source) {
  auto store = watched_.tables.find(source);
  if (store == watched_.tables.end()) return {};
  return store->second->branches();
}

std::map<std::string, std::string> Surveyor::tags(const std::string& source) {
  auto repo = watched_.code.find(source);
  return repo == watched_.code.end() ? std::map<std::string, std::string>() : repo->second->tags();
}

std::shared_ptr<Survey> Surveyor::survey(const SurveyOptions& options) {
  auto survey = std::make_shared<Survey>();
  survey->commits = options.commits;
  auto fix = [&](const std::string& name, Source& one) {
    if (!survey->commits.count(name)) survey->commits[name] = one.look();
  };
  for (auto& [name, store] : watched_.tables) fix(name, *store);
  for (auto& [name, repo] : watched_.code) fix(name, *repo);
  // From here on the commits are fixed: a head that moves meanwhile is the next survey's.
  groups_.clear();
  failed_.clear();
  axis_group_.clear();
  std::vector<Workflow> workflows = load(*survey, options);
  for (Workflow& workflow : workflows) {
    auto given = options.inputs.find(workflow.name);
    if (given != options.inputs.end()) workflow.values = given->second;
  }
  for (const Workflow& workflow : workflows) {
    for (const StepTemplate& step : workflow.steps) {
      for (const MatrixAxis& axis : step.matrix) {
        for (const InputTemplate& input : step.inputs) {
          if (cut_by(input, axis)) axis_group_[axis_name(axis)] = group_of(input, axis.column);
        }
      }
    }
  }
  survey->graph = graphs_.expanded(
      workflows, [&](const MatrixAxis& axis) { return axis_values(axis, *survey); },
      survey->commits);
  read_slices(*survey);
  read_code(*survey);
  read_history(*survey, options);
  ask_branches(*survey, options);
  return survey;
}

// Against the watched heads, not the commits of this survey: those may be fixed older ones.
void Surveyor::ask_branches(Survey& survey, const SurveyOptions& options) {
  std::map<std::string, std::string> tips;
  for (const auto& [name, commit] : options.asked) {
    if (!watched_.tables.count(name) && !watched_.code.count(name)) continue;
    if (!tips.count(name)) {
      tips[name] = options.commits.count(name) ? source(name).head() : survey.commits.at(name);
    }
    if (!source(name).descends(tips[name], commit)) survey.off_branch.emplace(name, commit);
  }
}

std::vector<Workflow> Surveyor::load(Survey& survey, const SurveyOptions& options) {
  std::map<std::string, std::string> code;
  for (const auto& [name, repo] : watched_.code) code[name] = survey.commits.at(name);
  try {
    return workflows_.load(code);
  } catch (const Error& error) {
    bool user_error = error.code == ErrorCode::kInvalid || error.code == ErrorCode::kNotFound;
    if (options.last_good.empty() || !user_error) throw;
    survey.kept_old_workflows = true;
    survey.notes.push_back(std::string("the workflows do not load, so their last good definition "
                                       "is kept: ") +
                           error.what());
    return workflows_.load(options.last_good);
  }
}

const GroupReading& Surveyor::group(const SliceGroup& group, const Survey& survey) {
  auto found = groups_.find(group);
  if (found != groups_.end()) return found->second;
  auto failed = failed_.find(group);
  if (failed != failed_.end()) throw Error(ErrorCode::kNotFound, failed->second);
  try {
    auto commit = survey.commits.find(group.source);
    if (commit == survey.commits.end()) {
      throw Error(ErrorCode::kNotFound, "no source is called " + group.source);
    }
    return groups_[group] = slices_.read(group, commit->second);
  } catch (const Error& error) {
    groups_.erase(group);
    if (error.code == ErrorCode::kUnavailable) throw;
    failed_[group] = error.what();
    throw Error(ErrorCode::kNotFound, error.what());
  }
}

// The axis' values come with an input that is cut by its column; where that input can't be read
// (a column it names is gone), they are read by themselves: other steps may have the same axis.
const GroupReading& Surveyor::axis_reading(const MatrixAxis& axis, const Survey& survey) {
  auto known = axis_group_.find(axis_name(axis));
  if (known != axis_group_.end()) {
    try {
      return group(known->second, survey);
    } catch (const Error& error) {
      if (error.code == ErrorCode::kUnavailable) throw;
    }
  }
  return group({axis.source, axis.table, "", {axis.column}, {}, {axis.column}}, survey);
}

AxisValues Surveyor::axis_values(const MatrixAxis& axis, const Survey& survey) {
  AxisValues out;
  for (const auto& [key, slice] : axis_reading(axis, survey).slices) {
    if (slice.rows == 0) continue;
    if (key == kNoValue && axis.null_as) {
      out.values.push_back(*axis.null_as);
    } else if (key == kNoValue) {
      out.unmapped += slice.rows;
    } else {
      out.values.push_back(single_value(key));
    }
  }
  std::sort(out.values.begin(), out.values.end());
  return out;
}

void Surveyor::read_slices(Survey& survey) {
  for (const SliceSpec& spec : survey.graph->slices) {
    SliceReading reading;
    try {
      const GroupReading& all = group(SliceGroup::of(spec), survey);
      std::vector<std::string> values;
      for (const auto& [column, value] : spec.where) values.push_back(value);
      auto found = all.slices.find(cut_key(values));
      SliceSummary slice = found == all.slices.end() ? SliceState().summary() : found->second;
      reading.digest = slice.digest;
      reading.rows = slice.rows;
      reading.commit = all.commit;
      reading.columns = all.columns;
    } catch (const Error& error) {
      if (error.code == ErrorCode::kUnavailable) throw;
      reading.error = error.what();
    }
    survey.slices.push_back(std::move(reading));
  }
}

void Surveyor::read_code(Survey& survey) {
  for (const CodeSpec& spec : survey.graph->code) {
    CodeReading reading;
    try {
      auto known = watched_.code.find(spec.source);
      if (known == watched_.code.end()) {
        throw Error(ErrorCode::kNotFound, "no code repository is called " + spec.source);
      }
      CodeRepo& repo = *known->second;
      reading.commit = spec.at.empty() ? survey.commits.at(spec.source) : repo.resolve(spec.at);
      Json listing = Json::array();
      for (const CodePath& path : repo.list(reading.commit, spec.paths)) {
        listing.push_back({path.path, path.mode, path.blob});
      }
      reading.files = listing.size();
      reading.digest = sha256(canonical_json(listing));
      if (listing.empty()) {
        reading.error = fmt::format("no file of {} matches {} at commit {}", spec.source,
                                    Json(spec.paths).dump(), reading.commit.substr(0, 7));
      }
    } catch (const Error& error) {
      if (error.code == ErrorCode::kUnavailable) throw;
      reading.error = error.what();
    }
    survey.code.push_back(std::move(reading));
  }
}

void Surveyor::read_history(Survey& survey, const SurveyOptions& options) {
  constexpr size_t kMostCommits = 100;
  for (const auto& [name, commit] : survey.commits) {
    auto cursor = options.cursors.find(name);
    std::string from = cursor == options.cursors.end() ? "" : cursor->second;
    if (from == commit) continue;
    Source& one = source(name);
    if (from.empty()) {
      survey.recent[name] = {one.commit(commit)};
      continue;
    }
    if (!one.descends(commit, from)) {
      survey.notes.push_back(
          fmt::format("{}: history was rewritten ({} is no longer under {}); planned from the "
                      "difference of contents",
                      name, from.substr(0, 7), commit.substr(0, 7)));
    }
    survey.recent[name] = one.log(from, commit, kMostCommits);
  }
}

}  // namespace lockstep
