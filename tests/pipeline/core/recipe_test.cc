#include "pipeline/core/recipe.h"

#include <random>

#include "tests/catch.h"
#include "tests/fake/survey.h"

using namespace lockstep;

namespace {

// A step with everything that can be in a recipe.
StepTemplate full_step() {
  StepTemplate step = step_of("train", "intent-${{ matrix.client }}");
  step.matrix = {list_axis("client", {"a"})};
  step.inputs = {rows_of("utterances", "client"), code_of({"train/"}), output_of("words", "model"),
                 model_of("trunk")};
  step.inputs[0].columns = {"text", "intent"};
  step.inputs[0].holdout = Holdout{0.2, {"id"}, "v1"};
  step.run = "";
  step.uses = "lockstep/text";
  step.revision = 3;
  step.with = {{"epochs", 4}, {"rate", 0.5}};
  step.env["LANG"] = parse_template("C");
  step.secrets = {"TOKEN"};
  step.outputs = {{"model", "model.safetensors"}, {"metrics", "metrics.json"}};
  step.environment.files = {"env.lock"};
  return step;
}

struct Case {
  FakeSurvey f;
  std::string name = "train[client=a]";
  std::string model = "bytes of the trunk", output = "bytes of the words";
  std::shared_ptr<const std::vector<std::string>> columns;  // of slices that name none

  Case() {
    f.workflows = {workflow_of({full_step(), step_of("words", ""), step_of("t", "trunk")})};
  }
  StepTemplate& step() { return f.workflows[0].steps[0]; }

  InputDigests digests(const Survey& seen) const {
    InputDigests all;
    for (const StepInput& input : seen.graph->step(step_id(seen, name)).inputs) {
      all.push_back(input.kind == InputKind::kRows    ? seen.slices[input.slice.value].digest
                    : input.kind == InputKind::kCode  ? seen.code[input.code.value].digest
                    : input.kind == InputKind::kModel ? sha256(model)
                                                      : sha256(output));
    }
    return all;
  }
  Recipe recipe() const {
    auto seen = f.look();
    for (SliceReading& reading : seen->slices) reading.columns = columns;
    return make_recipe(*seen, step_id(*seen, name), digests(*seen));
  }
  std::vector<Reason> reasons(const std::string& before) const {
    auto seen = f.look();
    return explain(*seen, step_id(*seen, name), digests(*seen), before);
  }
};

using Change = std::function<void(Case&)>;

// Everything that is in: each must give another fingerprint, and be named as `input`.
std::vector<std::pair<std::string, Change>> changes_that_count() {
  return {
      {"uses", [](Case& c) { c.step().uses = "lockstep/other"; }},
      {"uses", [](Case& c) { c.step().revision = 4; }},
      {"run", [](Case& c) { c.step().uses.clear(), c.step().run = "make"; }},
      {"with.epochs", [](Case& c) { c.step().with["epochs"] = 5; }},
      {"with.rate", [](Case& c) { c.step().with.erase("rate"); }},
      {"with.seed", [](Case& c) { c.step().with["seed"] = nullptr; }},
      {"with.who", [](Case& c) { c.step().with["who"] = "${{ matrix.client }}"; }},
      {"env.LANG", [](Case& c) { c.step().env["LANG"] = parse_template("de"); }},
      {"env.MORE", [](Case& c) { c.step().env["MORE"] = parse_template(""); }},
      {"secrets.OTHER", [](Case& c) { c.step().secrets.push_back("OTHER"); }},
      {"outputs.model", [](Case& c) { c.step().outputs["model"] = "m.bin"; }},
      {"outputs.log", [](Case& c) { c.step().outputs["log"] = "log.txt"; }},
      {"rows", [](Case& c) { c.f.rows["utterances[client=a]"] = "edited"; }},
      {"rows",
       [](Case& c) {
         c.step().inputs[0].columns = {"intent", "text"};
       }},
      {"rows", [](Case& c) { c.step().inputs[0].format = "jsonl"; }},
      {"rows",
       [](Case& c) {
         c.step().inputs[0].holdout = Holdout{0.25, {"id"}, "v1"};
       }},
      {"rows",
       [](Case& c) {
         c.step().inputs[0].holdout = Holdout{0.2, {"id"}, "v2"};
       }},
      {"rows",
       [](Case& c) {
         c.step().inputs[0].holdout = Holdout{0.2, {"text"}, "v1"};
       }},
      {"rows", [](Case& c) { c.step().inputs[0].holdout.reset(); }},
      {"data", [](Case& c) { c.step().inputs[0].name = "data"; }},
      {"code", [](Case& c) { c.f.files["train/"] = "edited"; }},
      {"from-words", [](Case& c) { c.output = "other words"; }},
      {"base", [](Case& c) { c.model = "other trunk"; }},
      {"environment.files", [](Case& c) { c.f.files["env.lock"] = "upgraded"; }},
      {"environment.files", [](Case& c) { c.step().environment.files.clear(); }},
      {"environment.device", [](Case& c) { c.step().resources.gpu_memory_bytes = 1 << 30; }},
  };
}

// Everything that is out.
std::vector<Change> changes_that_do_not() {
  return {
      [](Case& c) { c.step().name = "fit", c.name = "fit[client=a]"; },
      [](Case& c) { c.f.workflows[0].name = "other"; },
      [](Case& c) { c.f.workflows[0].file = "other.yaml"; },
      [](Case& c) { c.step().registers = parse_template("other-${{ matrix.client }}"); },
      [](Case& c) { c.step().renamed_from = parse_template("older"); },
      [](Case& c) {
        c.step().matrix.push_back(list_axis("unused", {"1"}));
        c.name = "train[client=a,unused=1]";
      },
      [](Case& c) { c.step().needs = {"t"}; },
      [](Case& c) { c.step().resources.memory_bytes = 1 << 30; },
      [](Case& c) { c.step().resources.cpus = 8; },
      [](Case& c) { c.step().resources.pool = "night"; },
      [](Case& c) { c.step().timeout_ms = 1; },
      [](Case& c) { c.step().attempts = 5; },
      [](Case& c) { c.step().max_parallel = 2; },
      [](Case& c) {
        c.step().gate = {{"accuracy", 0.9, std::nullopt}};
      },
      [](Case& c) {
        c.f.commits = {{"tables", "t2"}, {"code", "c2"}};
      },
      [](Case& c) { c.f.workflows[0].on_data = false; },
      [](Case& c) {
        c.f.workflows[0].channels = {{"production", {"*"}, "image"}};
      },
      [](Case& c) {
        c.f.workflows[0].steps[2].registers = parse_template("renamed-trunk"),
        c.step().inputs[3].model = parse_template("renamed-trunk");
      },
      [](Case& c) { std::swap(c.step().inputs[0], c.step().inputs[1]); },
      [](Case& c) { c.step().place = "w.yaml:9:9"; },
  };
}

}  // namespace

// docs/parts/fingerprint.md quotes these three.
TEST_CASE("recipe documents and their fingerprints are fixed") {
  Case small;
  small.f.workflows = {workflow_of({step_of("s", "")})};
  small.name = "s";
  Recipe recipe = small.recipe();
  CHECK(recipe.document ==
        R"({"definition":{"run":"true"},"environment":{"device":"cpu"},"format":1,)"
        R"("outputs":{"model":"model.bin"}})");
  CHECK(recipe.fingerprint.hex() ==
        "e94264c8a72f8499df9f53547a1665a39b637b6aa05e99426cfbf2659d4dedca");

  Case rows;
  StepTemplate step = step_of("s", "", {rows_of("utterances")});
  step.run = "./train --größe ${SIZE}\n";
  step.env["SIZE"] = parse_template("3");
  step.with = {{"b", {1, 1.0, -0.5, 1e21}}, {"a", {{"z", nullptr}, {"y", true}}}};
  rows.f.workflows = {workflow_of({step})};
  rows.name = "s";
  rows.columns = std::make_shared<std::vector<std::string>>(std::vector<std::string>{"id", "text"});
  CHECK(rows.recipe().document ==
        R"({"definition":{"run":"./train --größe ${SIZE}\n"},"env":{"SIZE":"3"},"enviro)"
        R"(nment":{"device":"cpu"},"format":1,"inputs":{"rows":{"columns":["id","text"],)"
        R"("digest":")"
        R"(59b82040e85b03d60cb7a64fa5b699e36fa8c9551553bf28463a08da47137cfa","format":")"
        R"(csv","kind":"rows"}},"outputs":{"model":"model.bin"},"with":{"a":{"y":true,")"
        R"(z":null},"b":[1,1,-0.5,1e+21]}})");
  CHECK(rows.recipe().fingerprint.hex() ==
        "619d9119e3c654b5f92192b2f83359353303712482f1656d3959e5aee3970f50");

  Recipe full = Case().recipe();
  CHECK(full.document ==
        R"({"definition":{"uses":{"name":"lockstep/text","revision":3}},"env":{"LANG":")"
        R"(C"},"environment":{"device":"cpu","files":"aaa2b157a5cd4dc88cbdb8fccbf16f2bb)"
        R"(53415d86df62bc3a35a81ae57e70a55"},"format":1,"inputs":{"base":{"digest":"6f1)"
        R"(fa28ac478eb98a8bbd3d52de455779de501e98e65a0a23e86e9a7d605cde1","kind":"model)"
        R"("},"code":{"digest":"db9143834f1466ec1c57360cc07e9c3c848932ac3112df461d469e9)"
        R"(bb511be22","kind":"code"},"from-words":{"digest":"b988ecf8ef853b5b0c372b2f0f)"
        R"(d6ff1fe709aaeaaee1d81abbf2903ba7b242fc","kind":"output"},"rows":{"columns":[)"
        R"("text","intent"],"digest":"ca49cf4fa3e273d4d7f7d994497d4b2ae24afe2f3fc8a4ca6)"
        R"(bc4b9de9752fe76","format":"csv","holdout":{"fraction":0.2,"key":["id"],"salt)"
        R"(":"v1"},"kind":"rows"}},"outputs":{"metrics":"metrics.json","model":"model.s)"
        R"(afetensors"},"secrets":{"TOKEN":true},"with":{"epochs":4,"rate":0.5}})");
  CHECK(full.fingerprint.hex() ==
        "a38397691033f85e9e24f7afa7ff9bb26a851d4a74f75d5c83f748178fd0e060");
}

TEST_CASE("everything that is in a recipe changes the fingerprint, and is named") {
  const Recipe before = Case().recipe();
  size_t number = 0;
  for (const auto& one : changes_that_count()) {
    const auto& input = one.first;
    INFO("change " << number++ << " of " << input);
    Case changed;
    one.second(changed);
    CHECK(changed.recipe().fingerprint != before.fingerprint);
    std::vector<Reason> reasons = changed.reasons(before.document);
    bool named = std::any_of(reasons.begin(), reasons.end(),
                             [&](const Reason& r) { return r.input == input; });
    CHECK(named);
  }
}

TEST_CASE("what is out of a recipe does not change the fingerprint") {
  const Recipe before = Case().recipe();
  size_t number = 0;
  for (const Change& change : changes_that_do_not()) {
    INFO("change " << number++);
    Case changed;
    change(changed);
    CHECK(changed.recipe().document == before.document);
    CHECK(changed.reasons(before.document).empty());
  }
}

TEST_CASE("reasons are empty exactly where the fingerprints are equal") {
  auto counting = changes_that_count();
  auto neutral = changes_that_do_not();
  const std::vector<Json> odd = {nullptr,
                                 0,
                                 1,
                                 1.0,
                                 -0.0,
                                 "1",
                                 true,
                                 false,
                                 9007199254740993,
                                 9007199254740992.0,
                                 Json::array(),
                                 Json::object(),
                                 1e300};
  std::mt19937_64 random(20260303);
  auto mutate = [&](Case& c) {
    for (size_t n = random() % 4; n > 0; --n) {
      switch (random() % 4) {
        case 0:
          counting[random() % counting.size()].second(c);
          break;
        case 1:  // those that change neither the step's name nor its inputs' order: they combine
          neutral[6 + random() % 7](c);
          break;
        default:
          c.step().with[std::string(1, static_cast<char>('a' + random() % 3))] =
              odd[random() % odd.size()];
      }
    }
  };
  size_t equal = 0, different = 0;
  while (equal < 60 || different < 300) {
    Case before, after;
    std::mt19937_64 same_again = random;
    mutate(before);
    if (random() % 3 == 0) random = same_again;
    mutate(after);
    Recipe old = before.recipe(), now = after.recipe();
    bool same = old.fingerprint == now.fingerprint;
    INFO(old.document << "\n" << now.document);
    REQUIRE(canonical_json(Json::parse(now.document)) == now.document);
    REQUIRE(after.reasons(old.document).empty() == same);
    REQUIRE(before.reasons(now.document).empty() == same);
    ++(same ? equal : different);
    random.discard(7);
  }
}

TEST_CASE("reasons say what kind of thing changed") {
  auto one = [](const Change& change) {
    Case changed;
    change(changed);
    std::vector<Reason> reasons = changed.reasons(Case().recipe().document);
    REQUIRE(reasons.size() == 1);
    return reasons[0].kind + ": " + reasons[0].change;
  };
  CHECK(one([](Case& c) { c.f.rows["utterances[client=a]"] = "x"; }) == "rows: rows changed");
  CHECK(one([](Case& c) { c.f.files["train/"] = "x"; }) == "code: files changed");
  CHECK(one([](Case& c) { c.model = "x"; }) == "model: model changed");
  CHECK(one([](Case& c) { c.output = "x"; }) == "output: output changed");
  CHECK(one([](Case& c) { c.step().with["epochs"] = 5; }) == "definition: 4 → 5");
  CHECK(one([](Case& c) { c.step().inputs[0].holdout->salt = "x"; }) == "rows: holdout changed");
  CHECK(one([](Case& c) { c.step().inputs[0].format = "jsonl"; }) == "rows: format changed");
  CHECK(one([](Case& c) { c.step().with.erase("rate"); }) == "definition: removed");
  std::vector<Reason> first = Case().reasons("");
  REQUIRE(first.size() == 1);
  CHECK(first[0].kind == "first");
  CHECK_THROWS_WITH(Case().reasons("{\"inputs\":"), Catch::Contains("damaged"));
  CHECK_THROWS_WITH(Case().reasons(R"({"inputs":{"rows":3}})"), Catch::Contains("damaged"));
}

TEST_CASE("same rows: only what the slices' digests say") {
  Case before;
  std::string document = before.recipe().document;
  auto same = [&](const Change& change) {
    Case c;
    change(c);
    auto seen = c.f.look();
    return same_rows(*seen, step_id(*seen, c.name), document);
  };
  CHECK(same([](Case&) {}));
  CHECK(same([](Case& c) { c.f.files["train/"] = "edited"; }));
  CHECK(same([](Case& c) { c.model = "other"; }));
  CHECK_FALSE(same([](Case& c) { c.f.rows["utterances[client=a]"] = "edited"; }));
  CHECK_FALSE(same([](Case& c) { c.step().inputs[0].name = "data"; }));
}
