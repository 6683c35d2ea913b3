#include "workflows/quality/quality.h"

#include "pipeline/base/error.h"
#include "pipeline/formats/csv.h"
#include "tests/catch.h"
#include "tests/workflows/quality/made_rows.h"

using namespace lockstep;
using Catch::Matchers::WithinAbs;

namespace {

std::string refusal(const QualityInput& input) {
  try {
    look_at(input);
  } catch (const Error& error) {
    return std::string(word(error.code)) + ": " + error.message;
  }
  return "taken";
}

// A few rows with one of each kind of trouble.
QualityInput troubled() {
  QualityInput input;
  input.train = text_rows();
  add(input.train, "1", "turn it off", "off");
  add(input.train, "2", "turn it off", "off");
  add(input.train, "3", "turn it off", "on");
  add(input.train, "4", "hello", std::nullopt);
  add(input.train, "5", "bye", "");
  add(input.train, "6", "good day", "greeting");
  add(input.train, "7", "play", "music");
  add(input.train, "8", "play", "music");
  input.holdout = text_rows();
  add(*input.holdout, "20", "play", "music");
  add(*input.holdout, "21", "stop", "off");
  input.classes = {"on", "off", "music"};
  return input;
}

}  // namespace

TEST_CASE("balance: normalised entropy over declared classes") {
  CHECK_THAT(*normalised_entropy({3500, 300, 4}), WithinAbs(0.2587, 0.00005));
  CHECK_THAT(*normalised_entropy({90, 10}), WithinAbs(0.4690, 0.00005));
  CHECK_THAT(*normalised_entropy({7, 7, 7}), WithinAbs(1, 1e-12));
  CHECK(*normalised_entropy({7, 0}) == 0);
  CHECK(*normalised_entropy({90, 10, 0}) < *normalised_entropy({90, 10}));
  CHECK_THAT(*normalised_entropy({10, 90}), WithinAbs(*normalised_entropy({90, 10}), 1e-12));
  CHECK_FALSE(normalised_entropy({5}));
  CHECK_FALSE(normalised_entropy({0, 0}));
}

TEST_CASE("quality: each kind of trouble is found and counted") {
  const QualityReport report = look_at(troubled());
  CHECK(report.rows == 8);
  CHECK(report.missing_labels == 2);
  CHECK(report.undeclared_labels == 1);
  CHECK(report.duplicates == 3);
  CHECK(report.conflicting == 3);
  CHECK(report.leaked == 1);
  CHECK(report.minority.name == "on");
  CHECK(report.minority.rows == 1);
  CHECK_FALSE(report.noise);  // no class has five rows
  CHECK(part(report, "leakage").lost == 20);
  CHECK(part(report, "missing_labels").lost == 15);
  CHECK(part(report, "conflicts").lost == 10);
  CHECK_FALSE(part(report, "label_noise").value);
  CHECK_FALSE(part(report, "drift").value);
  CHECK_THAT(part(report, "duplicates").lost, WithinAbs(5 * 0.375 / 0.5, 1e-12));
  double lost = 0;
  for (const QualityPart& one : report.parts) lost += one.lost;
  CHECK_THAT(report.score, WithinAbs(100 - lost, 1e-12));
  CHECK(report.action == QualityAction::kWarn);
}

TEST_CASE("quality: suspects say what to look at, as CSV that reads back") {
  const QualityReport report = look_at(troubled());
  const std::string csv = suspects_csv(report.suspects);
  CHECK(csv ==
        "key,column,given,suggested,why\n"
        "4,label,,,no label\n"
        "5,label,,,no label\n"
        "6,label,greeting,,the label is no declared class\n"
        "1,label,off,off,\"same content as row 3, which is on\"\n"
        "2,label,off,off,\"same content as row 3, which is on\"\n"
        "3,label,on,off,\"same content as row 1, which is off\"\n"
        "20,,,,\"held out, and same content as row 7, which is trained on\"\n");
  const std::string odd = std::string("a,\"b\"\n\r\xff", 8) + std::string(1, '\0') + "c";
  const std::string line = suspects_csv({{odd, odd, "=1+1", odd, odd}});
  CsvReader reader(line, "suspects");
  std::vector<CsvField> row;
  REQUIRE(reader.next(row));
  REQUIRE(reader.next(row));
  CHECK(row[0].text ==
        "a,\"b\"\n\r\xef\xbf\xbd\xef\xbf\xbd"
        "c");
  CHECK(row[2].text == "=1+1");
  CHECK_FALSE(reader.next(row));
}

TEST_CASE("quality: two labels that are even suggest none") {
  LabelledRows rows = text_rows();
  add(rows, "1", "x", "a");
  add(rows, "2", "x", "b");
  const QualityReport report = looked_at(rows);
  REQUIRE(report.suspects.size() == 2);
  CHECK(report.suspects[0].suggested == "");
}

TEST_CASE("quality: many rows of one content, each beside one that is labelled otherwise") {
  // Compared pair by pair they would take minutes.
  LabelledRows rows = text_rows();
  for (int i = 0; i < 100'000; ++i) add(rows, std::to_string(i), "x", i < 99'999 ? "a" : "b");
  const QualityReport report = looked_at(rows);
  CHECK(report.duplicates == 99'999);
  CHECK(report.conflicting == 100'000);
  CHECK(report.suspects.front().suggested == "a");
  CHECK_THAT(report.suspects.front().why, Catch::Contains("row 99999, which is b"));
}

TEST_CASE("quality: an empty text and NULL are different contents, columns don't run together") {
  LabelledRows rows;
  rows.columns = {{"a", FeatureKind::kText, {}}, {"b", FeatureKind::kText, {}}};
  const std::optional<std::string> values[][2] = {{"", {}},    {{}, ""},    {{}, {}},   {"", ""},
                                                  {"x", "yz"}, {"xy", "z"}, {"1:x", ""}};
  for (size_t i = 0; i < std::size(values); ++i) {
    rows.keys.push_back(std::to_string(i));
    rows.labels.push_back("l");
    for (size_t c = 0; c < 2; ++c) rows.columns[c].values.push_back(values[i][c]);
  }
  CHECK(looked_at(rows).duplicates == 0);
}

TEST_CASE("quality: good rows are good, and wrong labels are found") {
  const LabelledRows clean = sentences(600, 1);
  const QualityReport good = looked_at(clean);
  REQUIRE(good.noise);
  CHECK(good.noise->noise < 0.05);
  CHECK(good.score > 90);
  CHECK(good.action == QualityAction::kGood);

  LabelledRows wrong = clean;
  for (size_t i = 0; i < 60; ++i) wrong.labels[i] = *clean.labels[i] == "red" ? "blue" : "red";
  const QualityReport found = looked_at(wrong);
  size_t hits = 0;
  for (const Suspect& one : found.suspects) {
    hits += std::stoul(one.key.substr(4)) < 60;
    CHECK(one.column == "label");
  }
  CHECK(hits >= 50);
  CHECK(found.suspects.size() <= 80);
  CHECK_THAT(found.noise->noise, WithinAbs(0.1, 0.03));
  CHECK(found.score < good.score);
  for (const Suspect& one : found.suspects) {
    const size_t row = std::stoul(one.key.substr(4));
    if (row < 60) CHECK(one.suggested == *clean.labels[row]);
  }
}

TEST_CASE("quality: the more labels are missing, the lower the score") {
  double before = 100;
  for (size_t missing = 0; missing <= 200; missing += 20) {
    LabelledRows rows = sentences(400, 3);
    for (size_t i = 0; i < missing; ++i) rows.labels[i].reset();
    const QualityReport report = looked_at(rows, {"red", "green", "blue"});
    CHECK(part(report, "missing_labels").lost ==
          15 * std::min(1.0, static_cast<double>(missing) / 400 / 0.2));
    CHECK(report.score <= before + 3);
    before = report.score;
  }
  CHECK(before < 90);
}

TEST_CASE("quality: the order of rows, columns and classes changes nothing") {
  QualityInput input;
  input.train = sentences(300, 1);
  input.train.columns.push_back({"size", FeatureKind::kNumber, {}});
  for (size_t i = 0; i < 300; ++i) {
    input.train.columns[1].values.push_back(std::to_string(i * 7 % 31));
    if (i % 9 == 0) input.train.labels[i] = "red";
    if (i % 50 == 0) input.train.labels[i].reset();
  }
  input.holdout = input.train;
  input.before = input.train;
  input.classes = {"red", "green", "blue"};
  QualityInput other = input;
  other.train = shuffled(input.train, 1);
  other.holdout = shuffled(*input.holdout, 2);
  other.before = shuffled(*input.before, 3);
  other.classes = {"green", "blue", "red"};
  const QualityReport one = look_at(input), two = look_at(other);
  CHECK(canonical_json(quality_json(one)) == canonical_json(quality_json(two)));
  CHECK(suspects_csv(one.suspects) == suspects_csv(two.suspects));
  CHECK(one.suspects.size() > 300);  // everything held out is trained on
}

TEST_CASE("quality: probabilities of somebody else's count as given") {
  QualityInput input;
  input.train = text_rows();
  Probabilities p = {2, {}};
  for (size_t i = 0; i < 20; ++i) {
    const bool a = i % 2 == 0;
    add(input.train, std::to_string(90 - i), "text " + std::to_string(i), a ? "a" : "b");
    const bool wrong = i == 4;
    for (double one : {a != wrong ? 0.9 : 0.1, a != wrong ? 0.1 : 0.9}) p.values.push_back(one);
  }
  input.probabilities = p;
  CHECK(refusal(input) == "invalid: not one probability for each row and declared class");
  input.classes = {"a", "b"};
  const QualityReport report = look_at(input);
  REQUIRE(report.suspects.size() == 1);
  CHECK(report.suspects[0].key == "86");
  CHECK(report.suspects[0].suggested == "b");
  for (size_t i = 0; i < p.values.size(); i += 2) std::swap(p.values[i], p.values[i + 1]);
  input.probabilities = p;
  input.classes = {"b", "a"};
  CHECK(look_at(input).suspects.at(0).key == "86");
  input.probabilities->values.pop_back();
  CHECK(refusal(input) == "invalid: not one probability for each row and declared class");
}

TEST_CASE("quality: rows that can't be looked at are refused") {
  QualityInput input;
  input.train = text_rows();
  CHECK(refusal(input) == "invalid: there are no rows to look at");
  add(input.train, "1", "x", "a");
  add(input.train, "1", "y", "a");
  CHECK(refusal(input) == "invalid: rows: key 1 is there twice");
  input.train.keys[1] = "2";
  CHECK(refusal(input) == "taken");
  input.classes = {"a", "a"};
  CHECK(refusal(input) == "invalid: class a is declared twice");
  input.classes = {};
  input.train.columns[0].kind = FeatureKind::kNumber;
  CHECK(refusal(input) == "invalid: rows: row 1, column text: 'x' is no finite number");
  input.train.columns[0].kind = FeatureKind::kText;
  input.train.columns.push_back(input.train.columns[0]);
  CHECK(refusal(input) == "invalid: rows: column text is there twice");
  input.train.columns.pop_back();
  input.holdout = input.train;
  input.holdout->columns[0].name = "other";
  CHECK(refusal(input) == "invalid: the holdout has other columns than the rows");
  input.holdout.reset();
  input.train.labels.pop_back();
  CHECK(refusal(input) == "invalid: rows: not one label for each key");
}

TEST_CASE("quality: limits decide between good, warn and block; long lists are cut and said") {
  QualityInput input = troubled();
  QualitySettings settings;
  settings.block_below = 99;
  settings.max_suspects = 2;
  const QualityReport report = look_at(input, settings);
  CHECK(report.action == QualityAction::kBlock);
  CHECK(report.suspects.size() == 2);
  CHECK(report.suspects_left_out == 5);
  CHECK(quality_json(report)["suspects"] == 7);
  settings.block_below = 0;
  settings.warn_below = 0;
  CHECK(look_at(input, settings).action == QualityAction::kGood);
}

TEST_CASE("quality: the report as Markdown, whatever the rows hold") {
  const std::string odd = "x | y\n# <b>[a](http://e) @ann `c`\xff";
  QualityInput input;
  input.train = text_rows();
  input.train.label_column = odd;
  add(input.train, "1" + odd, odd, "a" + odd);
  add(input.train, "2" + odd, odd, "b" + odd);
  const QualityReport report = look_at(input);
  const std::string text = quality_markdown(report);
  INFO(text);
  CHECK_THAT(text, Catch::StartsWith("# Data quality: ") &&
                       Catch::Contains("| conflicts | 10.0 | 10 | 2 of 2 rows have the content"));
  for (const char* bad : {"<b>", "[a]", "http:", "@ann", " `c", "\n# <", "\xff"}) {
    CHECK(text.find(bad) == std::string::npos);
  }
  CHECK_NOTHROW(canonical_json(quality_json(report)));
}
