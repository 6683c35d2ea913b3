#include "pipeline/runner/order.h"

#include "pipeline/base/error.h"
#include "tests/catch.h"

using namespace lockstep;

namespace {

const std::string kDigest = sha256("x").str();

Json good_order() {
  return {{"id", "run-1.a_b"},
          {"step", "train[client=3]"},
          {"shell", "true"},
          {"with", {{"b", 1}, {"a", "x"}}},
          {"env", {{"LANG", "C"}}},
          {"secrets", {{"TOKEN", "hush"}}},
          {"inputs", {{{"name", "rows"}, {"digest", kDigest}, {"file", "rows.csv"}}}},
          {"code", kDigest},
          {"outputs", {{"model", "m/model.safetensors"}, {"metrics", "metrics.json"}}},
          {"checkpoint", "key"},
          {"seed", -7},
          {"timeout_ms", 1000},
          {"slot", {{"name", "gpu0"}, {"cuda", "0,1"}}}};
}

}  // namespace

TEST_CASE("an order is read and written again without its secrets") {
  Order order = read_order(good_order());
  CHECK(order.with == "{\"a\":\"x\",\"b\":1}");
  CHECK(order.secrets.at("TOKEN") == "hush");
  CHECK(order.inputs.at(0).file == "rows.csv");
  CHECK(order.seed == -7);
  CHECK(order.grace_ms == 10'000);
  CHECK(order.cuda == "0,1");
  Json written = write_order(order);
  CHECK(written.dump().find("hush") == std::string::npos);
  CHECK(write_order(read_order(written)) == written);
}

TEST_CASE("hostile orders are refused") {
  struct Case {
    const char* pointer;
    Json value;
  };
  std::string nul("a\0b", 3);
  for (const Case& c : std::vector<Case>{
           {"/id", "../x"},
           {"/id", ""},
           {"/id", ".hidden"},
           {"/id", "a/b"},
           {"/id", std::string(129, 'a')},
           {"/id", 7},
           {"/surprise", true},
           {"/argv", {"true"}},
           {"/shell", ""},
           {"/shell", nul},
           {"/uses", "torch/x"},
           {"/with", "text"},
           {"/env", {{"LOCKSTEP_SEED", "1"}}},
           {"/env", {{"CUDA_VISIBLE_DEVICES", "1"}}},
           {"/env", {{"A=B", "1"}}},
           {"/env", {{"1A", "1"}}},
           {"/env", {{"A", nul}}},
           {"/secrets", {{"LOCKSTEP_X", "1"}}},
           {"/inputs/0/name", "../rows"},
           {"/inputs/0/name", ""},
           {"/inputs/0/file", "a/b"},
           {"/inputs/0/file", ".."},
           {"/inputs/0/digest", "sha256:zz"},
           {"/inputs/0/folder", 1},
           {"/inputs/0/extra", 1},
           {"/code", "x"},
           {"/outputs/model", "../model"},
           {"/outputs/model", "/etc/passwd"},
           {"/outputs/model", "metrics.json"},
           {"/outputs/model", "metrics.json/model"},
           {"/outputs/..", "x"},
           {"/seed", 1.5},
           {"/seed", 18446744073709551615ull},
           {"/timeout_ms", -1},
           {"/slot/cuda", "0; rm"},
           {"/slot/other", 1},
       }) {
    Json order = good_order();
    order[Json::json_pointer(c.pointer)] = c.value;
    INFO(c.pointer << " " << c.value.dump());
    CHECK_THROWS_AS(read_order(order), Error);
  }
  Json twins = good_order();
  twins["inputs"].push_back({{"name", "a-b"}, {"digest", kDigest}});
  twins["inputs"].push_back({{"name", "A_B"}, {"digest", kDigest}});
  CHECK_THROWS_AS(read_order(twins), Error);
  CHECK_THROWS_AS(read_order(Json::array()), Error);
}

TEST_CASE("only known actions are accepted") {
  Json order = good_order();
  order.erase("shell");
  order["uses"] = "torch/text-adapter";
  CHECK(read_order(order).uses == "torch/text-adapter");
  order["uses"] = "data/quality";
  CHECK(read_order(order).uses == "data/quality");
  for (const char* bad : {"torch/", "data/", "torch/../x", "docker/x", "torch/a b"}) {
    order["uses"] = bad;
    CHECK_THROWS_AS(read_order(order), Error);
  }
}

TEST_CASE("input names become variables") {
  CHECK(input_variable("rows") == "LOCKSTEP_INPUT_ROWS");
  CHECK(input_variable("rows_HOLDOUT") == "LOCKSTEP_INPUT_ROWS_HOLDOUT");
  CHECK(input_variable("a-b.c~9") == "LOCKSTEP_INPUT_A_B_C_9");
}
