#include "connectors/forge/names.h"

#include <algorithm>

#include "connectors/forge/place.h"
#include "pipeline/base/process.h"
#include "tests/catch.h"

namespace lockstep {
namespace {

bool git_takes(const std::string& branch) {
  ProcessRequest request;
  request.argv = {"git", "check-ref-format", "refs/heads/" + branch};
  return run_process(request).exit_code == 0;
}

TEST_CASE("a ref's name is good where git says so, and more is refused only on purpose") {
  const std::vector<std::string> names = {
      "main",     "a/b/c",        "öffne",  "v1.2",  "a.b",  "a-b",    "a_b",      "@a",
      "a@",       "a@b",          "-a",     "--all", "@",    "a.lock", "a.lock/b", "a.lockx",
      ".a",       "a/.b",         "a.",     "a./b",  "a..b", "a/..",   "/a",       "a/",
      "a//b",     "a b",          "a~1",    "a^",    "a:b",  "a?",     "a*",       "a[b",
      "a]",       "a\\b",         "a@{b",   "a@{",   "{a}",  "a\tb",   "a\x7f",    "a\x01",
      "HEAD",     "refs/heads/x", "a'b",    "a\"b",  "$(a)", "a;b",    "a|b",      "a&b",
      "a`b",      "\xc2\x85",     "a\xffz", "",      "lock", ".lock",  "a/b.lock", "%2e%2e",
      "日本語/枝"};
  const std::vector<std::string> ours_alone = {"-a", "--all", "@", "\xc2\x85", "a\xffz"};
  for (const std::string& name : names) {
    const bool on_purpose =
        std::find(ours_alone.begin(), ours_alone.end(), name) != ours_alone.end();
    INFO(name);
    CHECK(good_ref_name(name) == (git_takes(name) && !on_purpose));
    if (on_purpose) CHECK(git_takes(name));
  }
  CHECK(good_ref_name(std::string(1024, 'a')));
  CHECK_FALSE(good_ref_name(std::string(1025, 'a')));
}

TEST_CASE("commit ids are git's and Dolt's, in lower case") {
  CHECK(good_commit_id(std::string(40, 'a')));
  CHECK(good_commit_id(std::string(64, '0')));
  CHECK(good_commit_id("ns725d8noah3m0mjjvrilet1rsmcgna2"));
  CHECK(null_commit_id(std::string(40, '0')));
  CHECK(null_commit_id(std::string(32, '0')));
  CHECK_FALSE(null_commit_id(std::string(39, '0') + "1"));
  for (const std::string& bad :
       {std::string(39, 'a'), std::string(41, 'a'), std::string(40, 'A'), std::string(40, 'g'),
        std::string(32, 'w'), std::string(), std::string(39, 'a') + "\n"}) {
    CHECK_FALSE(good_commit_id(bad));
  }
}

Delivery with(std::vector<std::string> urls, Forge forge = Forge::kGitlab) {
  Delivery d;
  d.forge = forge;
  d.urls = std::move(urls);
  return d;
}

TEST_CASE("every way to write an address of one repository is one place") {
  const std::vector<std::string> same = {"https://Git.Example.org/Team/Intents.git",
                                         "https://git.example.org/team/intents",
                                         "https://git.example.org:443/team/intents/",
                                         "https://ann@git.example.org/team/intents.git/",
                                         "http://git.example.org/team/intents.git",
                                         "http://git.example.org:80/team/intents.git",
                                         "ssh://git@git.example.org/team/intents.git",
                                         "ssh://git@git.example.org:2222/team/intents.git",
                                         "ssh://git@git.example.org:22/team/intents",
                                         "git://git.example.org/team/intents",
                                         "git@git.example.org:team/intents.git",
                                         "git@git.example.org:/team/intents.git",
                                         "git.example.org:team/intents",
                                         "https://git.example.org./team/intents",
                                         "https://git.example.org//team/intents",
                                         "HTTPS://git.example.org/team/%69ntents?x=1#y"};
  for (const std::string& a : same) {
    for (const std::string& b : same) {
      INFO(a << " and " << b);
      CHECK(about_place(with({a}), b));
    }
  }
  const std::vector<std::string> other = {"https://git.example.org/team/intents2",
                                          "https://git.example.org/team/intents.git.git",
                                          "https://git.example.org/team",
                                          "https://git.example.org/x/team/intents",
                                          "https://git.example.org/scm/team/intents",
                                          "https://git.example.com/team/intents",
                                          "https://example.org/team/intents",
                                          "https://git.example.org.evil.example/team/intents",
                                          "https://git.example.org@evil.example/team/intents",
                                          "git@evil.example:git.example.org/team/intents",
                                          "https://git.example.org/team%2fintents",
                                          "https://git.example.org/team/x/../intents",
                                          "https://git.example.org/team/./intents",
                                          "file:///team/intents",
                                          "/team/intents",
                                          "team/intents",
                                          "./git.example.org:team/intents",
                                          "https://u:secret@git.example.org/team/intents",
                                          "https://git.example.org:0/team/intents",
                                          "https://git.example.org:99999/team/intents",
                                          "https://git.example.org:44x/team/intents",
                                          "",
                                          ":",
                                          "https://",
                                          "https:///team/intents",
                                          "ftp://git.example.org/team/intents"};
  for (const std::string& b : other) {
    INFO(b);
    CHECK_FALSE(about_place(with({same.front()}), b));
    CHECK_FALSE(about_place(with({b}), same.front()));
  }
}

TEST_CASE("a place keeps the case of its path, which an API may want") {
  const auto place = remote_place("git@Git.Example.org:Team/Intents.GIT");
  REQUIRE(place);
  CHECK(place->host == "git.example.org");
  CHECK(place->path == "Team/Intents");
}

TEST_CASE("two servers on one host are two places over http, and one over ssh") {
  CHECK_FALSE(about_place(with({"http://localhost:3000/a/b"}), "http://localhost:3001/a/b"));
  CHECK_FALSE(about_place(with({"https://h:8443/a/b"}), "https://h/a/b"));
  CHECK(about_place(with({"http://localhost:3000/a/b"}), "ssh://git@localhost:2222/a/b"));
  CHECK(about_place(with({"http://[::1]:3000/a/b"}), "git@[::1]:a/b"));
}

TEST_CASE("without addresses the end of the path decides, and whole components") {
  Delivery d = with({}, Forge::kDolthub);
  d.repository = "Team/utterances";
  CHECK(about_place(d, "https://doltremoteapi.dolthub.com/team/utterances"));
  CHECK(about_place(d, "https://host/x/team/utterances"));
  CHECK_FALSE(about_place(d, "https://host/steam/utterances"));
  CHECK_FALSE(about_place(d, "https://host/team/utterances2"));
  d.repository.clear();
  CHECK_FALSE(about_place(d, "https://host/team/utterances"));
}

TEST_CASE("Bitbucket Data Center's /scm/ is no part of a repository's path") {
  const Delivery d = with({"https://host/scm/team/intents.git"}, Forge::kBitbucket);
  CHECK(about_place(d, "ssh://git@host:7999/team/intents.git"));
  CHECK_FALSE(about_place(d, "ssh://git@host:7999/scm2/team/intents.git"));
}

TEST_CASE("addresses, repositories and ids of deliveries are bounded") {
  CHECK(good_hook_url("https://h/" + std::string(2038, 'a')));
  CHECK_FALSE(good_hook_url("https://h/" + std::string(2039, 'a')));
  CHECK_FALSE(good_hook_url("https://h/a b"));
  CHECK_FALSE(good_hook_url("https://h/\xc3\xa4"));
  CHECK_FALSE(good_hook_url("javascript:alert(1)//"));
  CHECK(good_repository_path("group/sub/intents"));
  CHECK_FALSE(good_repository_path("a/" + std::string(1023, 'b')));
  CHECK(good_delivery_id("72d3162e-cc78-11e3-81ab-4c9367dc0958"));
  CHECK_FALSE(good_delivery_id(std::string(129, 'a')));
  CHECK_FALSE(good_delivery_id("a b"));
  CHECK_FALSE(good_delivery_id(""));
}

}  // namespace
}  // namespace lockstep
