// data/quality as a step has it: variables in, files out, and a word about them in the log.
#include "workflows/quality/action.h"

#include <fmt/format.h>

#include <sstream>

#include "pipeline/base/error.h"
#include "pipeline/base/files.h"
#include "tests/catch.h"

using namespace lockstep;

namespace {

struct Place {
  TempFolder folder;
  std::map<std::string, std::string> variables;
  std::string log;

  explicit Place(const std::string& rows, const std::string& with = "{}") {
    variables["LOCKSTEP_OUTPUT"] = at("out");
    set("LOCKSTEP_INPUT_ROWS", rows);
    set("LOCKSTEP_WITH", with);
  }
  std::string at(const std::string& name) const { return (folder.path() / name).string(); }
  void set(const std::string& variable, const std::string& bytes) {
    real_files().write_atomic(at(variable), bytes);
    variables[variable] = at(variable);
  }
  void run() {
    std::ostringstream out;
    try {
      run_quality(variables, out);
    } catch (...) {
      log = out.str();
      throw;
    }
    log = out.str();
  }
  Json json(const std::string& name) const {
    return parse_json(real_files().read(at("out/" + name)), name);
  }
  std::string bytes(const std::string& name) const { return real_files().read(at("out/" + name)); }
  bool wrote(const std::string& name) const { return fs::exists(at("out/" + name)); }
};

// 60 rows of two classes that their words tell, good but for what the caller puts behind.
std::string rows_with(const std::string& more) {
  std::string out = "id,text,label,day\n";
  for (int i = 0; i < 60; ++i) {
    const char* words = i % 2 ? "play some music" : "turn on the light";
    out += fmt::format("{},{} number {},{},{}\n", i, words, i, i % 2 ? "music" : "light", i % 7);
  }
  return out + more;
}

const std::string kWith = R"({"key":["id"],"classes":["light","music"],"categories":["day"]})";

std::string refusal(Place place) {
  try {
    place.run();
  } catch (const Error& error) {
    CHECK_FALSE(place.wrote("quality.json"));
    return error.what();
  }
  return "";
}

}  // namespace

TEST_CASE("quality action: report, suspects and metrics say the same") {
  Place place(rows_with("100,no label here,,1\n101,turn on the light number 0,music,0\n"), kWith);
  place.set("LOCKSTEP_INPUT_ROWS_HOLDOUT",
            "id,text,label,day\n200,play some music number 1,music,1\n201,new,light,2\n");
  place.run();
  Json report = place.json("quality.json"), metrics = place.json("metrics.json");
  CHECK(report["rows"] == 62);
  CHECK(report["holdout_rows"] == 2);
  CHECK(report["missing_labels"] == 1);
  CHECK(report["conflicting"] == 2);
  CHECK(report["leaked"] == 1);
  CHECK(metrics["score"] == report["score"]);
  CHECK(metrics["leakage"] == 0.5);
  CHECK(metrics["rows"] == 62);
  CHECK_FALSE(metrics.contains("drift"));  // not judged
  for (const auto& [name, value] : metrics.items()) CHECK(value.is_number());
  std::string suspects = place.bytes("suspects.csv");
  CHECK_THAT(suspects, Catch::StartsWith("key,column,given,suggested,why\n"));
  CHECK_THAT(suspects, Catch::Contains("\n100,label,,"));
  CHECK_THAT(suspects, Catch::Contains("\n101,label,music,"));
  CHECK_THAT(suspects, Catch::Contains("\n200,"));
  CHECK_THAT(place.log, Catch::StartsWith("# Data quality: "));
}

TEST_CASE("quality action: rows without a key are called by their number") {
  Place place(rows_with("100,no label here,,1\n"), "{}");
  place.set("LOCKSTEP_INPUT_ROWS_HOLDOUT", "id,text,label,day\n1,\"x\",music,1\n2,y,,2\n");
  place.run();
  CHECK_THAT(place.bytes("suspects.csv"), Catch::Contains("\n61,label,,"));
}

TEST_CASE("quality action: keys of several columns stay apart") {
  Place place("a,b,text,label\n\"x,y\",z,one,\nx,\"y,z\",two,\nx,y,three,c\n",
              R"({"key":["a","b"]})");
  place.run();
  CHECK(place.json("quality.json")["missing_labels"] == 2);
  CHECK_THAT(place.bytes("suspects.csv"), Catch::Contains("\n\"\"\"x,y\"\",z\",label,,"));
}

TEST_CASE("quality action: what moved since the last training costs points") {
  Place place(rows_with(""), kWith);
  std::string before = "id,text,label,day\n";
  for (int i = 0; i < 60; ++i) before += fmt::format("{},other words {},music,9\n", i, i);
  place.set("LOCKSTEP_INPUT_BEFORE", before);
  place.run();
  CHECK(place.json("metrics.json")["drift"].get<double>() > 0.1);
  CHECK(place.json("quality.json")["drift"].size() == 3);  // label, day, text
}

TEST_CASE(
    "quality action: a score below warn is said, one below block fails after all is written") {
  const std::string bad = rows_with("100,no label here,,1\n101,none either,,1\n");
  Place good(bad, R"({"key":["id"],"warn":0})");
  good.run();
  CHECK_THAT(good.log, !Catch::Contains("warning"));
  double score = good.json("metrics.json")["score"];
  CHECK(score < 100);
  CHECK(good.json("quality.json")["action"] == "good");

  Place warns(bad, R"({"key":["id"],"warn":"100"})");
  warns.run();
  CHECK_THAT(warns.log, Catch::Contains(fmt::format("warning: the quality of these rows is {:.2f} "
                                                    "of 100, below 100",
                                                    score)));
  CHECK_THAT(warns.log, Catch::Contains("missing_labels"));

  Place blocks(bad, R"({"key":["id"],"block":99.5})");
  blocks.variables["LOCKSTEP_OUTPUTS"] = R"({"suspects":"sub/s.csv"})";
  CHECK_THROWS_WITH(blocks.run(), Catch::Contains("of 100, below 99.5"));
  CHECK_THAT(blocks.bytes("sub/s.csv"), Catch::Contains("\n100,label,,"));
  CHECK_FALSE(blocks.wrote("metrics.json"));
  CHECK_THAT(blocks.log, Catch::Contains("100"));
}

TEST_CASE("quality action: what cannot be looked at is refused in words") {
  using Catch::Contains;
  auto with = [](const std::string& text) { return refusal(Place(rows_with(""), text)); };
  CHECK_THAT(with(R"({"lable":"x"})"), Contains("does not know with.lable"));
  CHECK_THAT(with(R"({"label":"intent"})"), Contains("has no column intent"));
  CHECK_THAT(with(R"({"key":["nr"]})"), Contains("has no column nr"));
  CHECK_THAT(with(R"({"warn":101})"), Contains("with.warn is no number from 0 to 100"));
  CHECK_THAT(with(R"({"block":"a"})"), Contains("with.block is no number from 0 to 100"));
  CHECK_THAT(with(R"({"classes":"a"})"), Contains("with.classes is no list"));
  CHECK_THAT(with(R"({"classes":["a","a"]})"), Contains("with.classes names a twice"));
  CHECK_THAT(with(R"({"numbers":["text"]})"), Contains("is no finite number"));
  CHECK_THAT(with("[]"), Contains("LOCKSTEP_WITH is no map"));
  CHECK_THAT(refusal(Place("id,label\n1\n")), Contains("LOCKSTEP_INPUT_ROWS"));
  CHECK_THAT(refusal(Place("id,text,label\n")), Contains("no rows"));
  CHECK_THAT(refusal(Place("id,text,label\n1,a,x\n1,b,y\n", R"({"key":["id"]})")),
             Contains("is there twice"));
  Place place(rows_with(""));
  place.variables.erase("LOCKSTEP_INPUT_ROWS");
  CHECK_THROWS_WITH(place.run(), Contains("LOCKSTEP_INPUT_ROWS names its file"));
  place.variables["LOCKSTEP_OUTPUTS"] = R"({"report":"../r"})";
  CHECK_THROWS_WITH(place.run(), Contains("not a plain name"));
  place.variables["LOCKSTEP_OUTPUTS"] = R"({"model":"m"})";
  CHECK_THROWS_WITH(place.run(), Contains("makes no output model"));
  place.variables.erase("LOCKSTEP_OUTPUT");
  CHECK_THROWS_WITH(place.run(), Contains("LOCKSTEP_OUTPUT is not set"));
}
