// Counts for `if:`: how many rows and files differ from an earlier commit.
#include <algorithm>
#include <tuple>

#include "pipeline/survey/surveyor.h"

namespace lockstep {
namespace {

using Files = std::map<std::string, std::pair<std::string, std::string>>;  // path → mode, blob

Files files_at(CodeRepo& repo, const std::string& commit, const std::vector<std::string>& globs) {
  Files files;
  for (const CodePath& one : repo.list(commit, globs)) files[one.path] = {one.mode, one.blob};
  return files;
}

// Files of `spec` that match `globs` on either side and are not the same on both.
uint64_t changed_files(CodeRepo& repo, const CodeSpec& spec, const std::vector<std::string>& globs,
                       const std::string& from, const std::string& to) {
  Files before = files_at(repo, from, spec.paths), after = files_at(repo, to, spec.paths);
  Files counting = files_at(repo, from, globs);
  counting.merge(files_at(repo, to, globs));
  return static_cast<uint64_t>(
      std::count_if(counting.begin(), counting.end(), [&](const auto& file) {
        auto was = before.find(file.first), is = after.find(file.first);
        bool there = was != before.end(), here = is != after.end();
        return there != here || (there && was->second != is->second);
      }));
}

// True where it was counted.
template <class Count>
bool counted(Count count) {
  try {
    count();
    return true;
  } catch (const Error& error) {
    if (error.code == ErrorCode::kUnavailable) throw;
    return false;
  }
}

}  // namespace

// All slices of a group are counted by one reading of its differences.
void Surveyor::answer(Survey& survey, const Questions& questions) {
  std::map<std::tuple<SliceGroup, std::string, std::string>, std::map<std::string, RowCounts>> read;
  for (const RowQuestion& question : questions.rows) {
    const SliceSpec& spec = survey.graph->slices[question.slice.value];
    const SliceReading& reading = survey.slices[question.slice.value];
    std::tuple key{SliceGroup::of(spec), question.from, reading.commit};
    if (!reading.error.empty()) continue;
    bool known = read.count(key) > 0 || counted([&] {
                   read[key] = slices_.changes(std::get<0>(key), question.from, reading.commit);
                 });
    if (!known) continue;
    std::vector<std::string> values;
    for (const auto& [column, value] : spec.where) values.push_back(value);
    auto rows = read[key].find(cut_key(values));
    survey.answers.rows[question] = rows == read[key].end() ? 0 : rows->second.all();
  }
  for (const auto& [name, commit] : questions.commits) {
    if (!source(name).descends(survey.commits.at(name), commit)) {
      survey.off_branch.emplace(name, commit);
    }
  }
  for (const FileQuestion& question : questions.files) {
    const CodeSpec& spec = survey.graph->code[question.code.value];
    auto repo = watched_.code.find(spec.source);
    if (repo == watched_.code.end() || !spec.at.empty()) continue;
    counted([&] {
      survey.answers.files[question] = changed_files(*repo->second, spec, question.paths,
                                                     question.from, survey.commits.at(spec.source));
    });
  }
}

}  // namespace lockstep
