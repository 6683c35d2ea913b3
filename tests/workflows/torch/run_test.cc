// Whole attempts by the binary: cold, warm, repeated, and refused.
#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>

#include "pipeline/base/digest.h"
#include "pipeline/base/files.h"
#include "pipeline/formats/safetensors.h"
#include "tests/catch.h"
#include "tests/workflows/torch/arrow_fixture.h"
#include "tests/workflows/torch/binary.h"
#include "workflows/torch/rows.h"

namespace lockstep {
namespace {

// A table of texts whose class their words tell: `classes` classes, `rows` rows, from a fixed rule.
std::string table(int rows, int classes, const char* label, const char* prefix) {
  const char* words[] = {"jazz", "door", "flight", "bill", "lamp", "soup"};
  const char* fill[] = {"please", "the", "now", "for me", "a", "again", "today"};
  std::string out = fmt::format("text,{}\n", label);
  for (int i = 0; i < rows; ++i) {
    int kind = i % classes;
    out += fmt::format("{} {} {} {}{},{}{}\n", fill[i * 5 % 7], words[kind], fill[i % 7],
                       words[kind], i / classes, prefix, kind);
  }
  return out;
}

// A folder with the inputs of attempts and the outputs they leave; the trunk is trained cold.
struct Place {
  TempFolder folder;
  WarmWorker worker;

  Place() {
    put("corpus.csv", table(120, 6, "label", "topic-"));
    put("rows.csv", table(90, 3, "intent", "intent-"));
    put("holdout.csv", table(33, 3, "intent", "intent-"));
    Ended ended = run_binary({"run", "torch/text-trunk"}, trunk("trunk"));
    INFO(ended.err);
    REQUIRE(ended.exit == 0);
  }

  std::string at(const std::string& name) const { return (folder.path() / name).string(); }
  void put(const std::string& name, std::string_view bytes) const {
    real_files().write_atomic(at(name), bytes);
  }
  std::string bytes(const std::string& name) const { return real_files().read(at(name)); }

  Environment trunk(const std::string& out) const {
    put("trunk.json", R"({"features":256,"width":16,"epochs":6,"seed":7})");
    return {{"LOCKSTEP_WITH", at("trunk.json")},
            {"LOCKSTEP_INPUT_CORPUS", at("corpus.csv")},
            {"LOCKSTEP_OUTPUT", at(out)}};
  }

  Environment adapter(const std::string& out, const std::string& with = "{}") const {
    put(out + ".json", with);
    return {{"LOCKSTEP_WITH", at(out + ".json")},
            {"LOCKSTEP_INPUT_ROWS", at("rows.csv")},
            {"LOCKSTEP_INPUT_TRUNK", at("trunk/model.safetensors")},
            {"LOCKSTEP_OUTPUT", at(out)}};
  }

  Json request(const std::string& action, const Environment& env) const {
    return {
        {"id", "1"}, {"cwd", at("")}, {"env", env}, {"log", at("log")}, {"args", {"run", action}}};
  }

  // The exit of a warm attempt.
  int warm(const Environment& env, const std::string& action = "torch/text-adapter") {
    Json answer = worker.ask(request(action, env));
    INFO(answer.dump());
    CHECK((answer["exit"] == 0) == (answer["message"] == ""));
    return answer["exit"].get<int>();
  }
};

// One for all cases: loading libtorch is most of what they take.
Place& shared() {
  static Place place;
  return place;
}

void says(const std::string& text, const std::string& part) {
  INFO(text);
  INFO("should say " << part);
  CHECK(text.find(part) != std::string::npos);
}

TEST_CASE("run: trunk and adapter train cold and warm to the same bytes, and answer") {
  Place& place = shared();
  Environment cold = place.adapter("cold");
  cold["LOCKSTEP_METRICS"] = place.at("live");
  Ended ended = run_binary({"run", "torch/text-adapter"}, cold);
  REQUIRE(ended.err == "");
  REQUIRE(ended.exit == 0);

  CHECK(place.warm(place.trunk("trunk-2"), "torch/text-trunk") == 0);
  CHECK(place.bytes("trunk-2/model.safetensors") == place.bytes("trunk/model.safetensors"));
  // What ran before in the worker, another seed or a failure, leaves no trace.
  CHECK(place.warm(place.adapter("other", R"({"seed":1})")) == 0);
  CHECK(place.warm({}) == 1);
  CHECK(place.warm(place.adapter("warm")) == 0);
  for (const char* name : {"model.safetensors", "metrics.json", "environment.json"}) {
    CHECK(place.bytes(std::string("cold/") + name) == place.bytes(std::string("warm/") + name));
  }
  CHECK(place.bytes("cold/model.safetensors") != place.bytes("other/model.safetensors"));

  Json metrics = Json::parse(place.bytes("cold/metrics.json"));
  CHECK(metrics["rows"] == 90);
  CHECK(metrics["classes"] == 3);
  CHECK(metrics["holdout_rows"].get<int>() > 0);
  CHECK(metrics["accuracy"].get<double>() > 0.9);
  CHECK(metrics.contains("recall[intent-2]"));
  for (const auto& [name, value] : metrics.items()) CHECK(value.is_number());
  // A card that is not there is said, not silently replaced.
  Environment card = place.adapter("card");
  card["CUDA_VISIBLE_DEVICES"] = "7";
  CHECK(place.warm(card) == 0);
  says(place.bytes("log"), "training on the CPU");

  std::string live = place.bytes("live");
  CHECK(Json::parse(live.substr(0, live.find('\n')))["epoch"] == 1);

  Ended asked = run_binary({"predict", "--model", place.at("cold/model.safetensors"), "--trunk",
                            place.at("trunk/model.safetensors"), "--text", "open the door",
                            "--text", "jazz", "--json"});
  REQUIRE(asked.exit == 0);
  CHECK(Json::parse(asked.out)[0]["label"] == "intent-1");
  CHECK(Json::parse(asked.out)[1]["label"] == "intent-0");
}

TEST_CASE("run: rows as Arrow files train to the bytes that CSV trains to") {
  Place& place = shared();
  auto as_arrow = [&](const std::string& csv, const std::string& label, const std::string& folder) {
    LabelledTexts rows = read_labelled_texts(place.bytes(csv), csv, "text", label);
    TextRows pairs;
    for (size_t i = 0; i < rows.size(); ++i) pairs.emplace_back(rows.texts[i], rows.labels[i]);
    write_arrow_rows(place.at(folder), "text", label, pairs);
    return place.at(folder);
  };
  Environment trunk = place.trunk("arrow-trunk");
  trunk["LOCKSTEP_INPUT_CORPUS"] = as_arrow("corpus.csv", "label", "corpus");
  CHECK(place.warm(trunk, "torch/text-trunk") == 0);
  CHECK(place.bytes("arrow-trunk/model.safetensors") == place.bytes("trunk/model.safetensors"));
  Environment by_csv = place.adapter("by-csv"), by_arrow = place.adapter("by-arrow");
  by_csv["LOCKSTEP_INPUT_ROWS_HOLDOUT"] = place.at("holdout.csv");
  by_arrow["LOCKSTEP_INPUT_ROWS"] = as_arrow("rows.csv", "intent", "rows");
  by_arrow["LOCKSTEP_INPUT_ROWS_HOLDOUT"] = as_arrow("holdout.csv", "intent", "rows.holdout");
  CHECK(place.warm(by_csv) == 0);
  CHECK(place.warm(by_arrow) == 0);
  for (const char* name : {"model.safetensors", "metrics.json"}) {
    CHECK(place.bytes(std::string("by-csv/") + name) ==
          place.bytes(std::string("by-arrow/") + name));
  }
  Environment none = place.adapter("none");
  fs::create_directories(place.at("empty"));
  none["LOCKSTEP_INPUT_ROWS"] = place.at("empty");
  CHECK(place.warm(none) == 1);
  says(place.bytes("log"), "has no Arrow files");
}

TEST_CASE("run: the bytes of a revision are fixed where the environment is the recorded one") {
  Place& place = shared();
  auto digest = [&](const std::string& out, const std::string& with) {
    CHECK(place.warm(place.adapter(out, with)) == 0);
    return sha256(place.bytes(out + "/model.safetensors")).hex();
  };
  std::string lora = digest("lora", R"({"epochs":3})");
  std::string head = digest("head", R"({"epochs":3,"adapter":"head"})");
  std::string narrow = digest("narrow", R"({"epochs":3,"adapter":"bottleneck","dropout":0.1})");
  Json environment = Json::parse(place.bytes("trunk/environment.json"));
  CHECK(environment["threads"] == 1);
  CHECK(environment["pinned"]["OMP_NUM_THREADS"] == "1");
  CHECK(environment["libraries"].size() > 3);
  // Pinned to SSE4.2, so any x86-64 machine with these versions agrees.
  bool recorded = environment["torch"] == "1.13.0" &&
                  environment["blas"] == "OpenBLAS 0.3.21 Nehalem" &&
                  environment["capability"] == "NO AVX";
  if (!recorded) {
    WARN("golden bytes are recorded for Debian 12's libtorch 1.13 with OpenBLAS 0.3.21");
    return;
  }
  INFO(
      "trained bytes changed: raise the revision in workflows/torch/revisions.h, record them here");
  CHECK(sha256(place.bytes("trunk/model.safetensors")).hex() ==
        "ed45879a4e2b13682b370bd5f61ea5a80151fae7e4b34f87aa3583a740e23604");
  CHECK(lora == "9ac9520758d659d81cc912e5b516da88f2015b88e50958789723a47366fd97c8");
  CHECK(head == "db3ddac1af4582b606298e6b5ba4d89f01ba18296930ab0c2976abe15a6a63e4");
  CHECK(narrow == "aef1247323c1f3f9e4684c7b4191ec3df1366fa119f3efe1ddb999907bdb6419");
}

TEST_CASE("run: a holdout is what the metrics are of, and patience 0 keeps every row") {
  Place& place = shared();
  Environment env = place.adapter("held", R"({"patience":0,"epochs":4,"adapter":"bottleneck"})");
  env["LOCKSTEP_INPUT_ROWS_HOLDOUT"] = place.at("holdout.csv");
  env["LOCKSTEP_OUTPUTS"] = R"({"model":"sub/m.safetensors"})";
  env["LOCKSTEP_METRICS"] = place.at("held-live");
  REQUIRE(place.warm(env) == 0);
  CHECK(read_safetensors(place.bytes("held/sub/m.safetensors"), "m").metadata["adapter"] ==
        "bottleneck");
  CHECK_FALSE(fs::exists(place.at("held/metrics.json")));
  env["LOCKSTEP_OUTPUTS"] = R"({"metrics":"m.json"})";
  REQUIRE(place.warm(env) == 0);
  Json metrics = Json::parse(place.bytes("held/m.json"));
  CHECK(metrics["holdout_rows"] == 33);
  CHECK(metrics["rows"] == 90);
  CHECK(metrics["epochs"] == 4);
  CHECK(place.bytes("held-live").find("validation_loss") == std::string::npos);
}

TEST_CASE("run: LOCKSTEP_SEED is the default and with.seed wins") {
  Place& place = shared();
  auto bytes = [&](const std::string& out, const std::string& with, const std::string& seed) {
    Environment env = place.adapter(out, with);
    env["LOCKSTEP_SEED"] = seed;
    REQUIRE(place.warm(env) == 0);
    return place.bytes(out + "/model.safetensors");
  };
  std::string five = bytes("a", R"({"epochs":2})", "5");
  CHECK(bytes("b", R"({"epochs":2,"seed":5})", "9") == five);
  CHECK(bytes("c", R"({"epochs":2})", "9") != five);
}

TEST_CASE("run: what cannot be trained is refused in one line, before libtorch is loaded") {
  Place& place = shared();
  auto refused = [&](Environment env, const char* why) {
    Ended ended = run_binary({"run", "torch/text-adapter"}, env);
    CHECK(ended.exit == 1);
    CHECK(ended.err.substr(0, 7) == "error: ");
    CHECK(std::count(ended.err.begin(), ended.err.end(), '\n') == 1);
    says(ended.err, why);
    CHECK_FALSE(fs::exists(place.at("x/model.safetensors")));
  };
  Environment env;
  refused(place.adapter("x", R"({"rnak":4})"), "did you mean rank?");
  refused(place.adapter("x", "{"), "LOCKSTEP_WITH");
  refused(place.adapter("x", R"({"text":"utterance"})"), "has no column utterance");
  env = place.adapter("x");
  env["LOCKSTEP_INPUT_TRUNK"] = place.at("rows.csv");
  refused(env, "not a sound safetensors file");
  env.erase("LOCKSTEP_INPUT_TRUNK");
  refused(env, "LOCKSTEP_INPUT_TRUNK names its file");
  env = place.adapter("x");
  env["LOCKSTEP_INPUT_ROWS"] = place.at("nowhere.csv");
  refused(env, "LOCKSTEP_INPUT_ROWS: cannot read");
  env = place.adapter("x");
  env["LOCKSTEP_OUTPUTS"] = R"({"model":"../m"})";
  refused(env, "not a plain name");
  env["LOCKSTEP_OUTPUTS"] = R"({"onnx":"m.onnx"})";
  refused(env, "makes no output onnx");
  env = place.adapter("x");
  env["LOCKSTEP_SEED"] = "-1";
  refused(env, "LOCKSTEP_SEED");
  env.erase("LOCKSTEP_OUTPUT");
  refused(env, "LOCKSTEP_OUTPUT is not set");
  CHECK(run_binary({"run", "torch/nothing"}, place.adapter("x")).exit == 1);
  CHECK(run_binary({"run"}).exit == 2);
}

TEST_CASE("serve: bad requests are answered, failures go to the log, the end of input ends it") {
  Place& place = shared();
  WarmWorker& worker = place.worker;
  CHECK(worker.ask_line("{")["exit"] == 2);
  CHECK(worker.ask_line("[]")["exit"] == 2);
  CHECK(worker.ask({{"id", "7"}, {"cwd", "/"}, {"log", place.at("log")}})["exit"] == 2);
  Json request = place.request("torch/text-adapter", place.adapter("x", R"({"rnak":4})"));
  request["id"] = "8";
  Json answer = worker.ask(request);
  CHECK(answer["id"] == "8");
  CHECK(answer["exit"] == 1);
  says(answer["message"], "did you mean rank?");
  says(place.bytes("log"), "error: torch/text-adapter does not know with.rnak");
  request["cwd"] = place.at("nowhere");
  says(worker.ask(request)["message"], "cannot enter");
}

TEST_CASE("predict and actions answer without libtorch, tables and lines too") {
  Place& place = shared();
  std::string model = place.at("trunk/model.safetensors");
  Ended table =
      run_binary({"predict", "--model", model, "--table", place.at("holdout.csv"), "--json"});
  REQUIRE(table.exit == 0);
  CHECK(Json::parse(table.out).size() == 33);
  Ended lines =
      run_binary({"predict", "--model", model, "--stdin"}, {}, "\"soup\"\n{\"text\":\"lamp\"}\n");
  CHECK(std::count(lines.out.begin(), lines.out.end(), '\n') == 2);
  says(lines.out, "\"text\":\"lamp\"");
  CHECK(run_binary({"predict", "--model", model, "--stdin"}, {}, "nonsense\n").exit == 1);
  CHECK(run_binary({"predict", "--model", place.at("holdout.csv"), "--text", "x"}).exit == 1);
  CHECK(run_binary({"predict", "--model", model, "--text", "\xff"}).exit == 1);
  Ended actions = run_binary({"actions", "--json"});
  CHECK(Json::parse(actions.out)[1]["name"] == "torch/text-adapter");
}

}  // namespace
}  // namespace lockstep
