// Ledgers begun elsewhere: styles by their tags, history in order, and nothing by halves.
#include "registry/rules/import.h"

#include "pipeline/base/clock.h"
#include "tests/catch.h"
#include "tests/registry/rules/book.h"

using namespace lockstep;

namespace {

// "client-1" … "client-100", all at "1" but client-37.
std::string hundred(int64_t of_37 = 1) {
  std::string out;
  for (int n = 1; n <= 100; ++n) {
    out += (n > 1 ? ", \"client-" : "\"client-") + std::to_string(n) + "\": \"" +
           std::to_string(n == 37 ? of_37 : 1) + "\"";
  }
  return "{" + out + "}";
}

ForeignLedger read(const std::string& text, std::optional<ManifestStyle> style = {}) {
  return read_foreign_ledger(text, "l.json", style, "production");
}

std::string refused(const std::string& text, std::optional<ManifestStyle> style = {}) {
  try {
    read(text, style);
  } catch (const Error& error) {
    return std::string(word(error.code)) + " at " + error.where + ": " + error.message;
  }
  return "taken";
}

Import into(Book& book, const std::string& text) {
  Import import = import_ledger(book.registry, {read(text), {}, "ann", ""});
  book.add(import.facts);
  return import;
}

const std::string kOld = R"([
  {"tag": "ea29012ff0370c2fdebe54237b5e7755", "time": "2024-05-01", "who": "zoe",
   "manifest": {"client-3": "1", "client-37": "1", "client-4": "1"}},
  {"tag": "6e020b95f456c1d75e918e7d85aaeafe",
   "manifest": {"client-4": "1", "client-37": "2", "client-3": "1"}}])";

}  // namespace

TEST_CASE("the style of a manifest is told by its tag") {
  const std::pair<const char*, ManifestStyle> kVectors[] = {
      {"23e491122deb63c7d5dd78774666e1cb", ManifestStyle::kCanonical},
      {"1693e9c77011294b5caa67a48dd44604", ManifestStyle::kPythonJson},
      {"8ac58ac60e4584e67e3eb6a79a1654bd", ManifestStyle::kPythonJsonSorted}};
  for (const auto& [tag, style] : kVectors) {
    const std::string text =
        "[{\"tag\": \"" + std::string(tag) + "\", \"manifest\": " + hundred() + "}]";
    ForeignLedger ledger = read(text);
    REQUIRE(ledger.releases.size() == 1);
    CHECK(ledger.releases[0].style == style);
    CHECK(manifest_tag(ledger.releases[0].manifest) == tag);
    CHECK(ledger.releases[0].versions.size() == 100);
    CHECK(ledger.releases[0].versions[1].first == "client-2");
    for (const auto& [other, wrong] : kVectors) {
      CHECK((refused(text, wrong) == "taken") == (wrong == style));
    }
    CHECK(read("[{\"manifest\": " + hundred() + "}]", style).releases[0].tag == tag);
  }
  CHECK(read("[{\"manifest\": {\"клиент-1\": \"1\"}}]").releases[0].tag ==
        "7c201c7f55b4f7c9e91f40b509d553da");
  CHECK(read("[{\"manifest\": " + hundred(2) + "}]").releases[0].tag ==
        "bb4a521353bf8fc6a9a2b2c4e1fde40e");
}

TEST_CASE("what is wrong with a ledger is said with its place") {
  CHECK(refused("[{\"manifest\": {\"a\": \"1\"}, \"tag\": \"" + std::string(32, '0') + "\"}]") ==
        "invalid at l.json, release 1: tag 00000000000000000000000000000000 is not the MD5 of its "
        "manifest");
  CHECK(refused("[{\"manifest\": {\"a\": \"1\", \"a\": \"2\"}}]") ==
        "invalid at l.json: `a` is there twice in one object");
  CHECK(refused("[{\"manifest\": {\"a\": \"1\"}, \"manifest\": {}}]") ==
        "invalid at l.json: `manifest` is there twice in one object");
  CHECK(refused("[\n{\"manifest\":\n{\"\xff\": \"1\"}}]") == "invalid at l.json:3: not UTF-8");
  CHECK(refused("[{\"manifest\": {\"a\": \"1\"}}").rfind("invalid at l.json: not JSON: ", 0) == 0);
  CHECK(refused(std::string(100'000, '[')).rfind("invalid at l.json: not JSON: ", 0) == 0);
  CHECK(refused("{}") == "invalid at l.json: there is no list of releases");
  CHECK(refused("[]") == "invalid at l.json: there is no list of releases");
  CHECK(refused("[7]") == "invalid at l.json, release 1: not an object");
  for (const char* version : {"\"0\"", "\"1.2\"", "\"-1\"", "\"v3\"", "\"\"", "1", "null",
                              "\"9999999999999999\"", "\"01\""}) {
    INFO(version);
    const std::string text = refused("[{\"manifest\": {\"a\": " + std::string(version) + "}}]");
    CHECK(text.rfind("invalid at l.json, release 1: ", 0) == 0);
  }
  for (const char* name : {"", "..", "a/b", "a@b", "a\\nb"}) {
    INFO(name);
    CHECK(refused("[{\"manifest\": {\"" + std::string(name) + "\": \"1\"}}]").find("name") !=
          std::string::npos);
  }
  CHECK(refused("[{\"manifest\": {\"a\": \"1\"}, \"sha256\": {\"b\": \"00\"}}]") ==
        "invalid at l.json, release 1: a digest of b, which the manifest does not name");
  CHECK(refused("[{\"manifest\": {\"a\": \"1\"}, \"sha256\": {\"a\": \"00\"}}]")
            .rfind("invalid at l.json, release 1: the digest of a: ", 0) == 0);
  CHECK(refused("[{\"manifest\": {\"a\": \"1\"}, \"colour\": 1}]") ==
        "invalid at l.json, release 1: `colour` is not known here");
  CHECK(refused("[{\"manifest\": {\"a\": \"1\"}, \"tag\": \"1234\"}]") ==
        "invalid at l.json, release 1: `1234` is no tag");
}

TEST_CASE("a manifest in a file of its own is taken as its bytes are") {
  const std::string bytes = R"({"client-37": "1", "client-3": "1"})", tag = md5_hex(bytes);
  CHECK(read_foreign_manifest(bytes, tag, "f", {}).style == ManifestStyle::kPythonJson);
  CHECK(read_foreign_manifest(bytes + "\n", tag, "f", {}).manifest == bytes);
  CHECK(message_of([&] {
          read_foreign_manifest(bytes, tag, "f", ManifestStyle::kCanonical);
        }).find("in no style that is known") != std::string::npos);
  CHECK(message_of([&] {
          read_foreign_manifest(bytes + " ", tag, "f", {});
        }).find("but its MD5 is") != std::string::npos);
  const std::string tabs = "{\t\"a\":\"1\"}";
  CHECK(message_of([&] {
          read_foreign_manifest(tabs, md5_hex(tabs), "f", {});
        }).find("in no style that is known") != std::string::npos);
}

TEST_CASE("an import gives versions, releases and history, and a second time nothing") {
  Book book;
  Import import = into(book, kOld);
  CHECK(import.models == 3);
  CHECK(import.versions == 4);
  CHECK(import.without_digest == 4);
  CHECK(book.registry.live("production") == "6e020b95f456c1d75e918e7d85aaeafe");
  CHECK(book.champion("client-37") == 2);
  CHECK(book.registry.model("client-37")->held(1, "production"));
  CHECK(book.registry.model("client-37")->version(1)->imported == "nothing");
  CHECK(book.registry.channels.at("production")[0].move.why == "imported (2024-05-01, zoe)");
  // The exact bytes, whatever order they were told in.
  CHECK(md5_hex(book.live_manifest()) == "6e020b95f456c1d75e918e7d85aaeafe");

  Import again = into(book, kOld);
  CHECK(again.facts.empty());
  CHECK(again.known == 4);
  // What was live goes on where the history was told further.
  Import more = into(book, R"([{"manifest": {"client-3": "2", "client-4": "1"}}])");
  CHECK(more.versions == 1);
  CHECK(book.registry.alias("client-37", "production") == 0);
  CHECK(book.champion("client-3") == 2);
}

TEST_CASE("what was live is answered from the times a ledger tells") {
  const auto at = [](const Book& book, const char* time) {
    const ChannelMoved* moved = book.registry.move_at("production", parse_time(time));
    return moved ? book.registry.release(moved->move.to)->release.tag.substr(0, 4) : "none";
  };
  Book book;
  book.now_ms = parse_time("2026-01-01");
  into(book, kOld);  // the second one is told without a time
  CHECK(at(book, "2024-04-30") == "none");
  CHECK(at(book, "2024-05-01") == "ea29");
  CHECK(at(book, "2025-12-31 23:59") == "ea29");
  CHECK(at(book, "2026-01-02") == "6e02");
  CHECK(imported(book.registry.move_at("production", parse_time("2025-01-01"))->move));
  // Told further, later: those times count, too.
  book.now_ms = parse_time("2026-03-01");
  into(book, R"([{"time": "2026-02-01T12:00:00+02:00", "manifest": {"client-3": "2"}}])");
  CHECK(at(book, "2026-02-01T09:59:59Z") == "6e02");
  CHECK(at(book, "2026-02-01 10:00") == at(book, "2026-04-01"));
  // Kept and read back the same.
  const ChannelMove& move = book.registry.channels.at("production").back().move;
  CHECK(std::get<ChannelMove>(fact_from_json(fact_json(move))).told_ms == move.told_ms);
  CHECK(told_time("2024-05-01 by zoe") == parse_time("2024-05-01"));
  CHECK(told_time("2024-05-01 14:00, by zoe") == parse_time("2024-05-01 14:00"));
  CHECK(told_time("2024-05-01T14:00:00Z") == parse_time("2024-05-01 14:00"));
  CHECK(told_time("spring") == 0);
  CHECK(told_time("") == 0);
}

TEST_CASE("bytes that are not here are never rolled back to") {
  Book book;
  into(book, kOld);
  auto request = book.back("client-37");
  request.to = 1;
  const HasBytes none = [](const Digest&) { return false; };
  CHECK(message_of([&] { roll_back_model(book.registry, request, none); }).rfind("conflict: ", 0) ==
        0);
  CHECK(message_of([&] {
          roll_back_release(book.registry, book.back_release("ea29012ff0370c2fdebe54237b5e7755"),
                            none);
        }).rfind("conflict: ", 0) == 0);
  CHECK(roll_back_model(book.registry, request, has_all).to == 1);
}

TEST_CASE("digests and files are recorded, and must agree") {
  Book book;
  const std::string text = R"({"releases": [{"manifest": {"a": "3", "b": "1"},
      "sha256": {"b": ")" + sha256("b").hex() +
                           R"("}}],
      "models": {"a": {"3": ")" +
                           sha256("a").hex() + R"(", "2": ")" + sha256("old").hex() + R"("}}})";
  ImportRequest request{read(text), {{{"a", 3}, {sha256("a"), true}}}, "ann", "moving in"};
  Import import = import_ledger(book.registry, request);
  CHECK(import.with_bytes == 1);
  CHECK(import.without_digest == 0);
  book.add(import.facts);
  CHECK(book.registry.model("a")->version(3)->imported == "file");
  CHECK(book.registry.model("b")->version(1)->imported == "digest");
  CHECK(book.registry.channels.at("production")[0].move.why == "imported: moving in");
  request.files[{"a", 3}].digest = sha256("other");
  CHECK(message_of([&] {
          import_ledger(Registry(), request);
        }).find("the file of a version 3 has the digest") != std::string::npos);
  CHECK(refused(R"({"releases": [{"manifest": {"a": "1"}, "sha256": {"a": ")" + sha256("x").hex() +
                R"("}}], "models": {"a": {"1": ")" + sha256("y").hex() + R"("}}})") ==
        "invalid at l.json, model a: version 1 of a has another digest in an earlier place");
}

TEST_CASE("bytes may come after a channel has gone on by itself, history not") {
  Book book;
  into(book, kOld);
  book.train("client-3", "rows");
  book.produced = {"client-3", "client-37", "client-4"};
  CHECK(book.cut().moved);
  Import again = into(book, kOld);
  CHECK(again.facts.empty());
  CHECK(again.known == 4);
  CHECK(message_of([&] {
          into(book, R"([{"manifest": {"client-4": "2"}}])");
        }).find("has releases of its own") != std::string::npos);
}

TEST_CASE("history is not written over what was made here") {
  Book book;
  book.train("client-3", "rows");
  CHECK(message_of([&] { into(book, kOld); }) ==
        "conflict: l.json, release 1: client-3 version 1 is here with other bytes (versions never "
        "change; import into a workspace of its own)");
  book.cut();
  const std::string later = R"([{"manifest": {"x": "1"}}])";
  CHECK(message_of([&] { into(book, later); }) ==
        "conflict: l.json, release 1: channel production has releases of its own (import before "
        "the "
        "first run, or into another channel: --channel NAME)");
  Book grown;
  grown.train("a", "1");
  grown.train("a", "2");
  grown.add(Renamed{"a", "b"});
  CHECK(message_of([&] { into(grown, R"([{"manifest": {"a": "1"}}])"); }) ==
        "conflict: l.json, release 1: a has version 2 already, and numbers only grow (import "
        "before "
        "the first run)");
  CHECK(grown.registry.channels.empty());
}
