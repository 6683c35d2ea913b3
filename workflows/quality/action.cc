#include "workflows/quality/action.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <ostream>

#include "pipeline/base/error.h"
#include "pipeline/base/files.h"
#include "pipeline/base/text.h"
#include "pipeline/formats/csv.h"
#include "workflows/quality/quality.h"

namespace lockstep {
namespace {

constexpr uint64_t kMaxRowsBytes = 1ull << 31;
constexpr size_t kMaxClasses = 10'000, kMaxColumns = 16;

using Variables = std::map<std::string, std::string>;
using Texts = std::vector<std::string>;

const Texts kOutputs = {"report", "suspects", "metrics"};

[[noreturn]] void invalid(const std::string& message, const std::string& hint = "",
                          const std::string& where = "") {
  throw Error(ErrorCode::kInvalid, message, hint, where);
}

std::string variable(const Variables& variables, const std::string& name) {
  auto found = variables.find(name);
  return found == variables.end() ? "" : found->second;
}

struct Parameters {
  std::string label = "label";
  Texts key, classes, numbers, categories;
  double warn = QualitySettings{}.warn_below, block = QualitySettings{}.block_below;
};

Texts texts_of(const std::string& name, const Json& value, size_t most) {
  Texts texts;
  if (!value.is_array() || value.size() > most) {
    invalid(fmt::format("with.{} is no list of at most {}", name, most));
  }
  for (const Json& item : value) {
    if (!item.is_string()) invalid(fmt::format("with.{} holds what is no text", name));
    texts.push_back(item);
    if (std::count(texts.begin(), texts.end(), texts.back()) > 1) {
      invalid(fmt::format("with.{} names {} twice", name, printable(texts.back())));
    }
  }
  return texts;
}

// A number, or the text of one, as a matrix value is.
double points_of(const std::string& name, const Json& value) {
  double points = -1;
  if (value.is_number()) points = value;
  if (value.is_string()) {
    const std::string& text = value.get_ref<const std::string&>();
    auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), points);
    if (problem != std::errc() || end != text.data() + text.size()) points = -1;
  }
  if (!(points >= 0 && points <= 100)) {
    invalid(fmt::format("with.{} is no number from 0 to 100", name));
  }
  return points;
}

Parameters parameters(const Variables& variables) {
  Parameters out;
  const std::string path = variable(variables, "LOCKSTEP_WITH");
  if (path.empty()) return out;
  const Json with = parse_json(real_files().read(path, 1 << 20), "LOCKSTEP_WITH");
  if (!with.is_object()) invalid("LOCKSTEP_WITH is no map");
  const std::map<std::string, Texts*> lists = {
      {"key", &out.key}, {"numbers", &out.numbers}, {"categories", &out.categories}};
  for (const auto& [name, value] : with.items()) {
    if (name == "label") {
      if (!value.is_string()) invalid("with.label is no text");
      out.label = value;
    } else if (name == "classes") {
      out.classes = texts_of(name, value, kMaxClasses);
    } else if (name == "warn") {
      out.warn = points_of(name, value);
    } else if (name == "block") {
      out.block = points_of(name, value);
    } else if (auto list = lists.find(name); list != lists.end()) {
      *list->second = texts_of(name, value, kMaxColumns);
    } else {
      invalid(fmt::format("data/quality does not know with.{}", printable(name)),
              "it knows label, key, classes, numbers, categories, warn and block");
    }
  }
  return out;
}

bool among(const Texts& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

// A CSV document with a header, as columns.
class RowsReader {
 public:
  // `numbered` names the rows without a key; each has its number from 1 behind it.
  RowsReader(const Parameters& wanted, std::string place, std::string numbered)
      : wanted_(wanted), place_(std::move(place)), numbered_(std::move(numbered)) {}

  LabelledRows read(std::string_view csv) {
    CsvReader reader(csv, place_);
    std::vector<CsvField> row;
    if (!reader.next(row)) invalid("is empty", "", place_);
    header(row);
    while (reader.next(row)) add(row);
    return std::move(rows_);
  }

 private:
  void header(const std::vector<CsvField>& row) {
    for (const CsvField& field : row) names_.push_back(field.text);
    Texts needed = {wanted_.label};
    for (const Texts* list : {&wanted_.key, &wanted_.numbers, &wanted_.categories}) {
      needed.insert(needed.end(), list->begin(), list->end());
    }
    for (const std::string& name : needed) {
      if (among(names_, name)) continue;
      invalid("has no column " + printable(name),
              fmt::format("it has {}", printable(fmt::format("{}", fmt::join(names_, ", ")))),
              place_ + ":1");
    }
    rows_.label_column = wanted_.label;
    for (const std::string& name : names_) {
      if (name == wanted_.label || among(wanted_.key, name)) continue;
      FeatureKind kind = among(wanted_.numbers, name)      ? FeatureKind::kNumber
                         : among(wanted_.categories, name) ? FeatureKind::kCategory
                                                           : FeatureKind::kText;
      rows_.columns.push_back({name, kind, {}});
    }
  }

  void add(std::vector<CsvField>& row) {
    std::string key;
    size_t column = 0;
    for (const std::string& name : wanted_.key) {
      size_t at =
          static_cast<size_t>(std::find(names_.begin(), names_.end(), name) - names_.begin());
      if (column++ > 0) key += ",";
      append_csv_field(key, row[at].text);  // so that two keys are never one
    }
    column = 0;
    for (size_t i = 0; i < names_.size(); ++i) {
      bool null = row[i].text.empty() && !row[i].quoted;
      std::optional<std::string> value;
      if (!null) value = row[i].text;
      if (names_[i] == wanted_.label) {
        rows_.labels.push_back(std::move(value));
      } else if (!among(wanted_.key, names_[i])) {
        rows_.columns[column++].values.push_back(std::move(value));
      }
    }
    if (wanted_.key.empty()) key = fmt::format("{}{}", numbered_, rows_.size() + 1);
    rows_.keys.push_back(std::move(key));
  }

  const Parameters& wanted_;
  std::string place_, numbered_;
  Texts names_;
  LabelledRows rows_;
};

std::optional<LabelledRows> read_input(const Variables& variables, const std::string& name,
                                       const Parameters& wanted, const std::string& numbered) {
  const std::string path = variable(variables, name);
  if (path.empty()) return {};
  try {
    return RowsReader(wanted, path, numbered).read(real_files().read(path, kMaxRowsBytes));
  } catch (const Error& error) {
    throw Error(error.code, fmt::format("{}: {}", name, error.message), error.hint, error.where);
  }
}

// Relative, and below the folder it is taken from.
bool stays_inside(const fs::path& path) {
  return !path.empty() && path.is_relative() &&
         std::none_of(path.begin(), path.end(), [](const fs::path& part) {
           return part == ".." || part == "." || part.empty();
         });
}

std::map<std::string, fs::path> outputs(const Variables& variables) {
  const fs::path folder = variable(variables, "LOCKSTEP_OUTPUT");
  if (folder.empty()) {
    invalid("LOCKSTEP_OUTPUT is not set", "it names the folder for the outputs");
  }
  const std::string declared = variable(variables, "LOCKSTEP_OUTPUTS");
  Json names = {
      {"report", "quality.json"}, {"suspects", "suspects.csv"}, {"metrics", "metrics.json"}};
  if (!declared.empty()) names = parse_json(declared, "LOCKSTEP_OUTPUTS");
  if (!names.is_object()) invalid("LOCKSTEP_OUTPUTS is no map");
  std::map<std::string, fs::path> out;
  for (const auto& [name, file] : names.items()) {
    if (!among(kOutputs, name)) {
      invalid("data/quality makes no output " + printable(name),
              fmt::format("it makes {}", fmt::join(kOutputs, ", ")));
    }
    if (!file.is_string() || !stays_inside(file.get<std::string>())) {
      invalid("the file of output " + name + " is not a plain name");
    }
    out[name] = folder / file.get<std::string>();
  }
  return out;
}

Json metrics_of(const QualityReport& report) {
  Json metrics = {{"score", report.score},
                  {"rows", report.rows},
                  {"suspects", report.suspects.size() + report.suspects_left_out}};
  for (const QualityPart& part : report.parts) {
    if (part.value) metrics[part.name] = *part.value;
  }
  return metrics;
}

// "label_noise 21.3 of 30, balance 2.1 of 10": what cost points.
std::string losses(const QualityReport& report) {
  std::string text;
  for (const QualityPart& part : report.parts) {
    if (part.lost <= 0) continue;
    text += fmt::format("{}{} {:.1f} of {:.0f}", text.empty() ? "" : ", ", part.name, part.lost,
                        part.weight);
  }
  return text;
}

}  // namespace

void run_quality(const Variables& variables, std::ostream& log) {
  const auto files = outputs(variables);
  const Parameters wanted = parameters(variables);
  auto rows = read_input(variables, "LOCKSTEP_INPUT_ROWS", wanted, "");
  if (!rows) invalid("the input rows is missing", "LOCKSTEP_INPUT_ROWS names its file");
  QualityInput input;
  input.train = std::move(*rows);
  input.holdout = read_input(variables, "LOCKSTEP_INPUT_ROWS_HOLDOUT", wanted, "held out ");
  input.before = read_input(variables, "LOCKSTEP_INPUT_BEFORE", wanted, "before ");
  input.classes = wanted.classes;
  QualitySettings settings;
  settings.warn_below = wanted.warn;
  settings.block_below = wanted.block;
  const QualityReport report = look_at(input, settings);
  auto write = [&](const char* output, const std::string& bytes) {
    auto declared = files.find(output);
    if (declared != files.end()) real_files().write_atomic(declared->second, bytes);
  };
  write("report", canonical_json(quality_json(report)) + "\n");
  write("suspects", suspects_csv(report.suspects));
  write("metrics", canonical_json(metrics_of(report)) + "\n");
  log << quality_markdown(report) << std::endl;
  if (report.action == QualityAction::kGood) return;
  bool blocks = report.action == QualityAction::kBlock;
  std::string why =
      fmt::format("the quality of these rows is {:.2f} of 100, below {}; points were lost for {}",
                  report.score, blocks ? wanted.block : wanted.warn, losses(report));
  if (blocks) {
    throw Error(ErrorCode::kConflict, why, "work through the suspects above, or lower with.block");
  }
  log << "warning: " << why << std::endl;
}

Json describe_quality() {
  auto texts = [](const char* name, const char* help) {
    return Json{
        {"name", name}, {"kind", "list of texts"}, {"default", Json::array()}, {"help", help}};
  };
  auto points = [](const char* name, double standard, const char* help) {
    return Json{{"name", name}, {"kind", "number"}, {"default", standard},
                {"min", 0.0},   {"max", 100.0},     {"help", help}};
  };
  const Parameters standard;
  Json with = {{{"name", "label"},
                {"kind", "text"},
                {"default", standard.label},
                {"help", "the column with the classes"}},
               texts("key", "columns that name a row; else its number"),
               texts("classes", "the classes that there are; else those that occur"),
               texts("numbers", "columns of numbers"),
               texts("categories", "columns of categories; all others are texts"),
               points("warn", standard.warn, "a score below this is warned of"),
               points("block", standard.block, "a score below this fails the step")};
  return {{{"name", "data/quality"},
           {"revision", kQualityRevision},
           {"help", "what is wrong with labelled rows, before anything learns from them"},
           {"inputs",
            {{{"name", "rows"}, {"kind", "table"}, {"help", "what is looked at"}},
             {{"name", "before"}, {"kind", "table"}, {"help", "what was trained on last"}}}},
           {"outputs", kOutputs},
           {"with", with}}};
}

}  // namespace lockstep
