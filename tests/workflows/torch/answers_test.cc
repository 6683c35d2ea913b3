// Rows answered for a gate: what the file says, against what the model says elsewhere.
#include "workflows/torch/answers.h"

#include <fmt/format.h>

#include "pipeline/base/files.h"
#include "pipeline/formats/csv.h"
#include "tests/catch.h"
#include "tests/workflows/torch/binary.h"
#include "workflows/torch/initial.h"
#include "workflows/torch/predict.h"

namespace lockstep {
namespace {

using Rows = std::vector<std::vector<std::string>>;

Rows rows_of(const std::string& csv) {
  CsvReader reader(csv, "predictions.csv");
  std::vector<CsvField> row;
  Rows rows;
  while (reader.next(row)) {
    rows.emplace_back();
    for (const CsvField& field : row) rows.back().push_back(field.text);
  }
  return rows;
}

// Untrained: what it answers is of no interest, only that it is said as it is.
const TextModel& plain_model() {
  static const TextModel model = new_trunk({{64, {1}, {3}}, 8, 0}, {"a", "b", "c"}, 7);
  return model;
}

Rows answers(const std::string& csv, const AnswerSettings& settings) {
  return rows_of(answer_rows(plain_model(), csv, "rows.csv", settings));
}

AnswerSettings settings_of(std::vector<std::string> key,
                           std::optional<std::vector<std::string>> columns,
                           const std::string& positive = "") {
  return {"text", "label", std::move(key), positive, std::move(columns)};
}

TEST_CASE("answers: a row for each row, named by its key, with the columns asked for") {
  std::string csv =
      "day,id,label,text,channel\n1,7,a,hello there,web\n2,\"x,y\",b,\"a \"\"b\"\"\",\n";
  Rows rows = answers(csv, settings_of({"id", "day"}, {{"channel"}}));
  REQUIRE(rows.size() == 3);
  CHECK(rows[0] == std::vector<std::string>{"key", "expected", "predicted", "score", "channel"});
  CHECK(rows[1][0] == "7,1");
  CHECK(rows[1][1] == "a");
  CHECK(rows[1][4] == "web");
  CHECK(rows[2][0] == "x,y,2");
  CHECK(rows[2][4] == "");
  for (size_t i : {1, 2}) {
    Json said = predict(plain_model(), i == 1 ? "hello there" : "a \"b\"");
    CHECK(rows[i][2] == said["label"]);
    CHECK(rows[i][3] == fmt::format("{}", said["score"].get<float>()));
  }
  CHECK(answers(csv, settings_of({"id"}, {{}}))[0].size() == 4);
}

TEST_CASE("answers: without columns all but the label come along, and rows have numbers") {
  Rows rows = answers("text,label,ticket,author\nhi,a,812,ann\nho,b,813,bob\n",
                      settings_of({"id"}, std::nullopt));
  CHECK(rows[0] == std::vector<std::string>{"key", "expected", "predicted", "score", "text",
                                            "ticket", "author"});
  CHECK(rows[1][0] == "1");
  CHECK(rows[2][0] == "2");
  CHECK(rows[2][4] == "ho");
  CHECK(rows[2][6] == "bob");
  // Of a key whose columns are not all there nothing is taken.
  CHECK(answers("text,label,day\nhi,a,9\n", settings_of({"day", "id"}, {{}}))[1][0] == "1");
  // The label may be called `expected`: it is.
  AnswerSettings settings = settings_of({}, std::nullopt);
  settings.label = "expected";
  CHECK(answers("expected,text\na,hi\n", settings)[1][1] == "a");
}

TEST_CASE("answers: the score may be that of one class, whichever is answered") {
  for (const char* text : {"hello", "there", "what"}) {
    std::string csv = fmt::format("text,label\n{},a\n", text);
    float all = 0, best = std::stof(answers(csv, settings_of({}, {{}}))[1][3]);
    for (const char* label : {"a", "b", "c"}) {
      Rows rows = answers(csv, settings_of({}, {{}}, label));
      float score = std::stof(rows[1][3]);
      all += score;
      if (rows[1][2] == label) CHECK(score == best);
      CHECK(score <= best);
    }
    CHECK(all == Approx(1));
    CHECK(answers(csv, settings_of({}, {{}}, "unknown"))[1][3] == "0");
  }
}

TEST_CASE("answers: no rows give the header alone, and what is no row is refused") {
  CHECK(answer_rows(plain_model(), "text,label,id\n", "r", settings_of({"id"}, {{"id"}})) ==
        "key,expected,predicted,score,id\n");
  auto refused = [](const std::string& csv, const AnswerSettings& settings, const char* why) {
    CHECK_THROWS_WITH(answers(csv, settings), Catch::Contains(why));
  };
  AnswerSettings plain = settings_of({}, {{}});
  refused("", plain, "is empty");
  refused("text,lable\nhi,a\n", plain, "did you mean lable?");
  refused("text,label\n,a\n", plain, "rows.csv:2: text is NULL");
  refused("text,label\nhi,\n", plain, "rows.csv:2: label is empty");
  refused("text,label\nhi\n", plain, "rows.csv:2");
  refused("text,label\n\xff,a\n", plain, "UTF-8");
  refused("text,label\nhi,a\n", settings_of({}, {{"channel"}}), "has no column channel");
  refused("text,label,key\nhi,a,1\n", settings_of({}, std::nullopt),
          "the column key cannot be copied");
}

// A trunk, an adapter that was measured on held out rows, and a warm worker.
struct Trained {
  TempFolder folder;
  WarmWorker worker;

  Trained() {
    put("corpus.csv", table(120, 6, "label"));
    put("rows.csv", table(90, 4, "intent"));
    put("holdout.csv", table(40, 5, "intent"));  // with a class that the adapter never saw
    put("with.json", R"({"features":256,"width":16,"epochs":4})");
    run("torch/text-trunk", {{"LOCKSTEP_INPUT_CORPUS", at("corpus.csv")},
                             {"LOCKSTEP_INPUT_CORPUS_HOLDOUT", at("corpus.csv")},
                             {"LOCKSTEP_WITH", at("with.json")},
                             {"LOCKSTEP_OUTPUT", at("trunk")}});
    put("with.json", R"({"epochs":2})");
    run("torch/text-adapter", {{"LOCKSTEP_INPUT_ROWS", at("rows.csv")},
                               {"LOCKSTEP_INPUT_ROWS_HOLDOUT", at("holdout.csv")},
                               {"LOCKSTEP_INPUT_TRUNK", at("trunk/model.safetensors")},
                               {"LOCKSTEP_WITH", at("with.json")},
                               {"LOCKSTEP_OUTPUT", at("adapter")}});
  }

  static std::string table(int rows, int classes, const char* label) {
    const char* words[] = {"jazz", "door", "flight", "bill", "lamp", "soup"};
    const char* fill[] = {"please", "the", "now", "for me", "a", "again", "today"};
    std::string out = fmt::format("id,text,{}\n", label);
    for (int i = 0; i < rows; ++i) {
      out += fmt::format("{},{} {} {} {},class-{}\n", i, fill[i * 5 % 7], words[i * 7 % 6],
                         fill[i % 7], words[i % classes], i % classes);
    }
    return out;
  }

  std::string at(const std::string& name) const { return (folder.path() / name).string(); }
  std::string bytes(const std::string& name) const { return real_files().read(at(name)); }
  void put(const std::string& name, std::string_view bytes) const {
    real_files().write_atomic(at(name), bytes);
  }

  Json ask(const std::string& action, const Environment& env) {
    return worker.ask({{"id", "1"},
                       {"cwd", at("")},
                       {"env", env},
                       {"log", at("log")},
                       {"args", {"run", action}}});
  }
  void run(const std::string& action, const Environment& env) {
    Json answer = ask(action, env);
    INFO(answer.dump());
    REQUIRE(answer["exit"] == 0);
  }

  // As the gate asks: which model, what it stands on, the rows under the name of an input.
  Environment evaluation(const std::string& model, const std::string& with) const {
    put("evaluate.json", with);
    return {{"LOCKSTEP_INPUT_MODEL", at(model + "/model.safetensors")},
            {"LOCKSTEP_INPUT_TRUNK", at("trunk/model.safetensors")},
            {"LOCKSTEP_INPUT_CODE", at("nowhere")},
            {"LOCKSTEP_INPUT_ROWS_HOLDOUT", at("holdout.csv")},
            {"LOCKSTEP_WITH", at("evaluate.json")},
            {"LOCKSTEP_OUTPUT", at("out")}};
  }
};

Trained& trained() {
  static Trained one;
  return one;
}

double accuracy_of(const Rows& rows) {
  double right = 0;
  for (size_t i = 1; i < rows.size(); ++i) right += rows[i][1] == rows[i][2] ? 1 : 0;
  return right / static_cast<double>(rows.size() - 1);
}

TEST_CASE("torch/evaluate answers as predict does, and as right as the training measured") {
  Trained& place = trained();
  place.run("torch/evaluate",
            place.evaluation("adapter", R"({"label":"intent","key":["id"],"columns":[]})"));
  std::string warm = place.bytes("out/predictions.csv");
  Rows rows = rows_of(warm);
  REQUIRE(rows.size() == 41);
  CHECK(rows[40][0] == "39");

  Ended asked = run_binary({"predict", "--model", place.at("adapter/model.safetensors"), "--trunk",
                            place.at("trunk/model.safetensors"), "--table", place.at("holdout.csv"),
                            "--json"});
  Json said = parse_json(asked.out, "predict");
  REQUIRE(said.size() == 40);
  for (size_t i = 0; i < 40; ++i) {
    CHECK(rows[i + 1][2] == said[i]["label"]);
    CHECK(std::stof(rows[i + 1][3]) == Approx(said[i]["score"].get<float>()).epsilon(1e-5));
  }
  Json metrics = parse_json(place.bytes("adapter/metrics.json"), "metrics");
  CHECK(metrics["holdout_rows"] == 40);
  CHECK(accuracy_of(rows) == metrics["accuracy"].get<double>());
  CHECK(accuracy_of(rows) > 0.3);
  CHECK(accuracy_of(rows) < 1);

  Ended cold =
      run_binary({"run", "torch/evaluate"},
                 place.evaluation("adapter", R"({"label":"intent","key":["id"],"columns":[]})"));
  CHECK(cold.err == "");
  CHECK(place.bytes("out/predictions.csv") == warm);
}

TEST_CASE("torch/evaluate answers with a trunk alone") {
  Trained& place = trained();
  Environment env = place.evaluation("trunk", "{}");
  env.erase("LOCKSTEP_INPUT_TRUNK");
  env.erase("LOCKSTEP_INPUT_ROWS_HOLDOUT");
  env["LOCKSTEP_INPUT_CORPUS_HOLDOUT"] = place.at("corpus.csv");
  env["LOCKSTEP_OUTPUTS"] = R"({"predictions":"sub/p.csv"})";
  place.run("torch/evaluate", env);
  Rows rows = rows_of(place.bytes("out/sub/p.csv"));
  REQUIRE(rows.size() == 121);
  Json metrics = parse_json(place.bytes("trunk/metrics.json"), "metrics");
  CHECK(accuracy_of(rows) == metrics["accuracy"].get<double>());
}

TEST_CASE("torch/evaluate says what it cannot answer") {
  Trained& place = trained();
  auto refused = [&](const Environment& env, const char* why) {
    Json answer = place.ask("torch/evaluate", env);
    CHECK(answer["exit"] == 1);
    CHECK_THAT(answer["message"].get<std::string>(), Catch::Contains(why));
  };
  const std::string with = R"({"label":"intent"})";
  refused(place.evaluation("adapter", R"({"lable":"intent"})"), "did you mean label?");
  Environment env = place.evaluation("adapter", with);
  env.erase("LOCKSTEP_INPUT_ROWS_HOLDOUT");
  refused(env, "there are no rows to answer");
  env = place.evaluation("adapter", with);
  env["LOCKSTEP_INPUT_MORE_HOLDOUT"] = place.at("holdout.csv");
  refused(env, "LOCKSTEP_INPUT_MORE_HOLDOUT, LOCKSTEP_INPUT_ROWS_HOLDOUT");
  env = place.evaluation("adapter", with);
  env.erase("LOCKSTEP_INPUT_TRUNK");
  refused(env, "LOCKSTEP_INPUT_TRUNK names its file");
  env = place.evaluation("adapter", with);
  env.erase("LOCKSTEP_INPUT_MODEL");
  refused(env, "LOCKSTEP_INPUT_MODEL names its file");
  env["LOCKSTEP_INPUT_MODEL"] = place.at("holdout.csv");
  refused(env, "not a sound safetensors file");

  place.put("with.json", R"({"features":256,"width":16,"epochs":1,"seed":9})");
  place.run("torch/text-trunk", {{"LOCKSTEP_INPUT_CORPUS", place.at("corpus.csv")},
                                 {"LOCKSTEP_WITH", place.at("with.json")},
                                 {"LOCKSTEP_OUTPUT", place.at("other")}});
  env = place.evaluation("adapter", with);
  env["LOCKSTEP_INPUT_TRUNK"] = place.at("other/model.safetensors");
  refused(env, "another trunk");
}

}  // namespace
}  // namespace lockstep
