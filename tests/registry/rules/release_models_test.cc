#include "registry/rules/release_models.h"

#include <map>
#include <random>

#include "tests/catch.h"

using namespace lockstep;

namespace {

void same(const ReleaseModels& models, const std::map<std::string, ReleaseModel>& plain) {
  REQUIRE(models.size() == plain.size());
  REQUIRE(models.empty() == plain.empty());
  auto expected = plain.begin();
  for (const auto& [name, entry] : models) {
    REQUIRE(name == expected->first);
    REQUIRE(entry == expected->second);
    ++expected;
  }
}

}  // namespace

TEST_CASE("models of a release: as a map, whatever comes and goes") {
  for (unsigned seed = 1; seed <= 20; ++seed) {
    CAPTURE(seed);
    std::mt19937 chance(seed);
    ReleaseModels models;
    std::map<std::string, ReleaseModel> plain;
    for (int step = 0; step < 600; ++step) {
      std::string name = "model-" + std::to_string(chance() % 150);
      if (chance() % 3 == 0) {
        models.erase(name);
        plain.erase(name);
      } else {
        models.put(name, {step, {}});
        plain[name] = {step, {}};
      }
      CHECK(models.count(name) == plain.count(name));
    }
    same(models, plain);
    // The same, however it came to be.
    ReleaseModels other;
    for (auto it = plain.rbegin(); it != plain.rend(); ++it) other.put(it->first, it->second);
    CHECK(models == other);
    CHECK(models ==
          ReleaseModels(std::vector<ReleaseModels::value_type>(plain.rbegin(), plain.rend())));
    models.share(other);
    same(models, plain);
    other.put("another", {1, {}});
    CHECK_FALSE(models == other);
    models.share(other);  // keeps what is its own
    same(models, plain);
    for (const auto& [name, entry] : plain) models.erase(name);
    CHECK(models.empty());
  }
}

TEST_CASE("models of a release: a copy that changes leaves the other as it was") {
  ReleaseModels one = {{"a", {1, {}}}, {"b", {2, {}}}};
  ReleaseModels two = one;
  two.put("a", {3, {}});
  two.erase("b");
  CHECK(one.find("a")->second.version == 1);
  CHECK(one.count("b") == 1);
  CHECK(two.find("a")->second.version == 3);
  CHECK(two.find("b") == two.end());
  const ReleaseModels none;
  CHECK(none.find("a") == none.end());
}
