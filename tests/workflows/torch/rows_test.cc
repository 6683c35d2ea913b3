#include "workflows/torch/rows.h"

#include <fmt/format.h>

#include <cmath>

#include "pipeline/base/error.h"
#include "tests/catch.h"
#include "tests/workflows/torch/arrow_fixture.h"
#include "workflows/torch/arrow_rows.h"
#include "workflows/torch/text_features.h"

namespace lockstep {
namespace {

std::string refusal(std::string_view csv) {
  try {
    distinct_labels(read_labelled_texts(csv, "r.csv", "text", "intent"), "r.csv");
  } catch (const Error& error) {
    CHECK(error.code == ErrorCode::kInvalid);
    return error.what();
  }
  return "";
}

bool says(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

TEST_CASE("rows: the two columns are found by name, wherever they stand") {
  LabelledTexts rows =
      read_labelled_texts("id,intent,text\n1,a,\"x, y\"\n2,b,\"\"\n", "r.csv", "text", "intent");
  CHECK(rows.texts == std::vector<std::string>{"x, y", ""});
  CHECK(rows.labels == std::vector<std::string>{"a", "b"});
  CHECK(label_indices(rows, {"a", "c"}) == std::vector<uint32_t>{0, 2});
}

TEST_CASE("rows: what cannot be learned from is refused with its place") {
  CHECK(says(refusal(""), "r.csv"));
  CHECK(says(refusal("text,intents\nx,a\n"),
             "r.csv:1: has no column intent (did you mean intents?)"));
  CHECK(says(refusal("text,intent\nx,a\ny,\n"), "r.csv:3: intent is empty"));
  CHECK(says(refusal("text,intent\n,a\nx,b\n"), "r.csv:2: text is NULL"));
  CHECK(says(refusal("text,intent\nx\xff,a\n"), "r.csv:2"));
  CHECK(says(refusal("text,intent\nx,a\ny,a\n"), "every row is of the class a"));
  CHECK(says(refusal("text,intent\n"), "has no rows"));
  CHECK(says(refusal("text,intent\nx," + std::string(1025, 'l') + "\n"), "longer than 1,024"));
  std::string many = "text,intent\n";
  for (int i = 0; i <= 10000; ++i) many += fmt::format("x,l{}\n", i);
  CHECK(says(refusal(many), "at most 10,000"));
  CHECK(refusal("text,intent\nx,a\ny,b\n") == "");
}

TEST_CASE("rows: Arrow files give the texts and labels that CSV gives") {
  TempFolder folder;
  write_arrow_rows(folder.path(), "text", "intent",
                   {{"x, \"y\"\n", "a"}, {"", "b"}, {"öffne", "a"}, {"z", "c"}}, 3);
  LabelledTexts rows = read_labelled_arrow(folder.path(), "text", "intent");
  LabelledTexts csv = read_labelled_texts(
      "text,intent\n\"x, \"\"y\"\"\n\",a\n\"\",b\nöffne,a\nz,c\n", "r.csv", "text", "intent");
  CHECK(rows.texts == csv.texts);
  CHECK(rows.labels == csv.labels);
  ArrowBuilder texts(ArrowType::kUint64), labels(ArrowType::kInt64);
  texts.add_natural(18446744073709551615u);
  labels.add_integer(-5);
  real_files().write_atomic(
      folder.path() / "part-00000.arrow",
      write_arrow({{"text", ArrowType::kUint64}, {"intent", ArrowType::kInt64}},
                  {texts.array(), labels.array()}));
  rows = read_labelled_arrow(folder.path(), "text", "intent");
  CHECK(rows.texts == std::vector<std::string>{"18446744073709551615", "z"});
  CHECK(rows.labels == std::vector<std::string>{"-5", "c"});
}

TEST_CASE("rows: what cannot be learned from in Arrow files is refused with its place") {
  auto refused = [](const TextRows& rows, const std::string& label = "intent") {
    TempFolder folder;
    if (!rows.empty()) write_arrow_rows(folder.path(), "text", label, rows, 1);
    try {
      read_labelled_arrow(folder.path(), "text", "intent");
    } catch (const Error& error) {
      CHECK(error.code == ErrorCode::kInvalid);
      return std::string(error.what());
    }
    return std::string();
  };
  CHECK(says(refused({}), "has no Arrow files"));
  CHECK(says(refused({{"x", "a"}}, "intents"), "did you mean intents?"));
  CHECK(says(refused({{"x", "a"}, {"y", ""}}), "part-00001.arrow:1: intent is empty"));
  CHECK(says(refused({{"x", "a"}, {"y", std::nullopt}}), "intent is empty"));
  CHECK(says(refused({{std::nullopt, "a"}}), "part-00000.arrow:1: text is NULL"));
  CHECK(says(refused({{"x", std::string(1025, 'l')}}), "longer than 1,024"));
  CHECK(refused({{"x", "a"}, {"y", "b"}}) == "");
  TempFolder folder;
  ArrowBuilder reals(ArrowType::kFloat64);
  reals.add_real(1);
  real_files().write_atomic(folder.path() / "part-00000.arrow",
                            write_arrow({{"text", ArrowType::kFloat64}}, {reals.array()}));
  CHECK_THROWS_AS(read_labelled_arrow(folder.path(), "text", "text"), Error);
  real_files().write_atomic(folder.path() / "part-00000.arrow", "ARROW1");
  CHECK_THROWS_AS(read_labelled_arrow(folder.path(), "text", "text"), Error);
}

TEST_CASE("rows: about a tenth is for validation, by the text alone") {
  LabelledTexts rows;
  for (int i = 0; i < 2000; ++i) {
    rows.texts.push_back("text " + std::to_string(i));
    rows.labels.push_back(i % 2 == 0 ? "even" : "odd");
  }
  Parts parts = part_for_validation(rows);
  CHECK(parts.validation.size() > 150);
  CHECK(parts.validation.size() < 250);
  CHECK(parts.training.size() + parts.validation.size() == 2000);
  rows.texts.resize(1000);
  rows.labels.resize(1000);
  Parts fewer = part_for_validation(rows);
  REQUIRE(fewer.validation.size() < parts.validation.size());
  for (size_t i = 0; i < fewer.validation.size(); ++i) {
    CHECK(fewer.validation.texts[i] == parts.validation.texts[i]);
  }
}

TEST_CASE("rows: a class never loses all its rows to validation") {
  std::string apart;  // a text that is in the tenth
  for (int i = 0; apart.empty(); ++i) {
    Parts parts =
        part_for_validation({{std::to_string(i), std::to_string(i + 1000000)}, {"a", "a"}});
    if (parts.validation.size() == 1) apart = parts.validation.texts[0];
  }
  Parts parts = part_for_validation({{apart, "other"}, {"rare", "common"}});
  CHECK(parts.training.size() == 2);
  CHECK(parts.validation.size() == 0);
}

TEST_CASE("features: texts become unit vectors over distinct ascending buckets") {
  SparseRows rows;
  FeatureSettings settings;
  add_text(settings, "Turn it off, please!", rows);
  add_text(settings, "turn IT off please", rows);
  add_text(settings, " ,. ", rows);
  add_text(settings, "off turn please it", rows);
  REQUIRE(rows.size() == 4);
  double squares = 0;
  for (uint64_t k = 0; k < rows.starts[1]; ++k) {
    squares += rows.values[k] * rows.values[k];
    CHECK((k == 0 || rows.columns[k] > rows.columns[k - 1]));
    CHECK(rows.columns[k] < settings.buckets);
  }
  CHECK(std::fabs(squares - 1) < 1e-5);
  auto row = [&](int i) {
    return std::vector<uint32_t>(rows.columns.begin() + rows.starts[i],
                                 rows.columns.begin() + rows.starts[i + 1]);
  };
  CHECK(row(0) == row(1));  // case and punctuation carry nothing
  CHECK(row(2).empty());
  CHECK(row(3) != row(0));  // but order does, through pairs of words
}

TEST_CASE("features: the buckets of a text are fixed for good") {
  SparseRows rows;
  add_text({64, {1}, {}}, "play jazz", rows);
  add_text({64, {}, {3}}, "äh", rows);
  CHECK(rows.columns == std::vector<uint32_t>{16, 60, 32, 35, 52});
}

}  // namespace
}  // namespace lockstep
