#include "pipeline/base/error.h"
#include "registry/rules/rules.h"
#include "tests/catch.h"

using namespace lockstep;

namespace {

using Pairs = std::vector<std::pair<std::string, std::string>>;

std::string tag(const Pairs& versions, ManifestStyle style = ManifestStyle::kCanonical) {
  return manifest_tag(manifest_bytes(versions, style));
}

Pairs numbered(const std::string& stem, int count) {
  Pairs pairs;
  for (int i = 1; i <= count; ++i) pairs.emplace_back(stem + std::to_string(i), "1");
  return pairs;
}

Release example() {
  Release release;
  release.manifest = R"({"a":"1"})";
  release.models = {{"a", {1, sha256("a")}}};
  return release;
}

}  // namespace

TEST_CASE("manifest: three clients, in any order") {
  Pairs three = {{"client-4", "1"}, {"client-3", "1"}, {"client-37", "1"}};
  CHECK(manifest_bytes(three) == R"({"client-3":"1","client-37":"1","client-4":"1"})");
  CHECK(tag(three) == "ea29012ff0370c2fdebe54237b5e7755");
  three[2].second = "2";
  CHECK(tag(three) == "6e020b95f456c1d75e918e7d85aaeafe");
}

TEST_CASE("manifest: a hundred clients") {
  Pairs hundred = numbered("client-", 100);
  CHECK(manifest_bytes(hundred).size() == 1593);
  CHECK(tag(hundred) == "23e491122deb63c7d5dd78774666e1cb");
  CHECK(tag(hundred, ManifestStyle::kPythonJson) == "1693e9c77011294b5caa67a48dd44604");
  CHECK(tag(hundred, ManifestStyle::kPythonJsonSorted) == "8ac58ac60e4584e67e3eb6a79a1654bd");
  hundred[36].second = "2";
  CHECK(tag(hundred) == "bb4a521353bf8fc6a9a2b2c4e1fde40e");
}

TEST_CASE("manifest: the quickstart's eight clients") {
  Pairs eight = numbered("intent-client-", 8);
  CHECK(tag(eight) == "51796c70071bb3bf51e5a9cee12382cd");
  eight[2].second = "2";
  CHECK(tag(eight) == "1da281f01541e3eac0f2a91187cadb86");
}

TEST_CASE("manifest: raw UTF-8, and Python's escapes in its styles") {
  CHECK(tag({{"клиент-1", "1"}}) == "7c201c7f55b4f7c9e91f40b509d553da");
  CHECK(manifest_bytes({{"é😀\x7f\n\"", "1"}}, ManifestStyle::kPythonJson) ==
        R"({"\u00e9\ud83d\ude00\u007f\n\"": "1"})");
  CHECK(manifest_bytes({{"b", "1"}, {"a", "2"}}, ManifestStyle::kPythonJson) ==
        R"({"b": "1", "a": "2"})");
  CHECK(manifest_bytes({{"b", "1"}, {"a", "2"}}, ManifestStyle::kPythonJsonSorted) ==
        R"({"a": "2", "b": "1"})");
}

TEST_CASE("manifest: a name twice, or not UTF-8, is refused") {
  CHECK_THROWS_AS(manifest_bytes({{"a", "1"}, {"a", "2"}}), Error);
  CHECK_THROWS_AS(manifest_bytes({{"\xff", "1"}}), Error);
  CHECK_THROWS_AS(manifest_bytes({{"\xff", "1"}}, ManifestStyle::kPythonJson), Error);
}

TEST_CASE("content: canonical JSON of format, manifest, model digests, base and code") {
  Release release = example();
  std::string document =
      R"({"base":null,"code":null,"format":1,"manifest":"{\"a\":\"1\"}","models":{"a":")" +
      sha256("a").str() + R"("}})";
  CHECK(release_content(release) == sha256(document));
  CHECK(release_content(release).hex() ==
        "76a28a40733603140a42183a7d3cc8f1956a9838716623328d5b3280b200a809");
}

TEST_CASE("content: base, code and model bytes change it; channel, time and tag do not") {
  Release plain = example();
  Digest content = release_content(plain);
  Release other = plain;
  other.base = sha256("base").str();
  CHECK(release_content(other) != content);
  other = plain;
  other.code = "0123456789abcdef0123456789abcdef01234567";
  CHECK(release_content(other) != content);
  other = plain;
  other.models.put("a", {1, sha256("b")});
  CHECK(release_content(other) != content);
  other = plain;
  other.channel = "staging";
  other.tag = "x";
  other.missing = Json::array({1});
  CHECK(release_content(other) == content);
}

TEST_CASE("content: a rebuilt tag is the MD5 and the first 8 hex digits of the content") {
  Release release = example();
  release.base = "sha256:1";
  CHECK(rebuilt_tag(release) ==
        md5_hex(release.manifest) + "-" + release_content(release).hex().substr(0, 8));
}
