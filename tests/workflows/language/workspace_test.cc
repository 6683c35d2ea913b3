#include "workflows/language/workspace.h"

#include "tests/catch.h"
#include "tests/workflows/language/fixture.h"

using namespace lockstep;

namespace {

Workspace read(const std::string& text) {
  Diagnostics diagnostics;
  auto workspace = parse_workspace(text, "/srv/team/lockstep.yaml", diagnostics);
  CHECK(texts(diagnostics.errors()) == std::vector<std::string>());
  REQUIRE(workspace);
  return *workspace;
}

}  // namespace

TEST_CASE("places are relative to the workspace's folder") {
  Workspace workspace =
      read(project_file("tests/workflows/language/corpus/good/workspace-full.yaml"));
  CHECK(workspace.folder == "/srv/team");
  REQUIRE(workspace.sources.size() == 4);
  CHECK(workspace.sources[0].name == "tables");
  CHECK(workspace.sources[0].kind == SourceKind::kGitTables);
  CHECK(workspace.sources[0].place == "/srv/team/tables");
  CHECK(workspace.sources[0].branch == "main");
  CHECK(workspace.sources[0].folder.empty());
  CHECK(workspace.sources[1].place == "https://example.com/t.git");
  CHECK(workspace.sources[1].folder == "data/csv");
  CHECK(workspace.sources[2].kind == SourceKind::kGitRepo);
  CHECK(workspace.sources[2].place == "git@example.com:team/code.git");
  CHECK(workspace.sources[2].branch == "release/1.x");
  CHECK(workspace.sources[2].workflows == "workflows/*.yaml");
  CHECK(workspace.sources[2].credentials.key == "/srv/team/keys/id");
  CHECK(workspace.sources[2].credentials.known_hosts == "/srv/team/keys/known_hosts");
  CHECK(workspace.sources[3].credentials.username == "ci");
  CHECK(workspace.sources[3].credentials.password ==
        SecretRef{SecretRef::Kind::kEnv, "GIT_TOKEN", {}});
  CHECK(workspace.sources[3].credentials.ca_file == "/srv/team/ca.pem");
}

TEST_CASE("servers of Dolt sources") {
  Workspace workspace =
      read(project_file("tests/workflows/language/corpus/good/workspace-dolt.yaml"));
  REQUIRE(workspace.sources.size() == 4);
  const SourceSpec& far = workspace.sources[0];
  CHECK(far.kind == SourceKind::kDolt);
  CHECK(far.branch == "release/1.x");
  CHECK(far.server.host == "db.example.com");
  CHECK(far.server.port == 3307);
  CHECK(far.server.database == "shop");
  CHECK(far.server.verify_tls == true);
  CHECK(far.credentials.username == "lockstep");
  CHECK(far.credentials.ca_file == "/srv/team/keys/ca.pem");
  const SourceSpec& near = workspace.sources[1];
  CHECK(near.server.socket == "/srv/team/run/dolt.sock");
  CHECK(near.place == "/srv/team/run/dolt.sock");
  CHECK(near.server.database == "other");
  CHECK(near.server.data_folder == "/srv/team/data");
  CHECK(near.branch == "main");
  CHECK(workspace.sources[2].server.host == "::1");
  CHECK(workspace.sources[2].server.port == 3306);
  CHECK(workspace_sources(workspace).tables == std::vector<std::string>{"tables", "near", "six"});
}

TEST_CASE("tables of MySQL sources") {
  Workspace workspace =
      read(project_file("tests/workflows/language/corpus/good/workspace-mysql.yaml"));
  const SourceSpec& far = workspace.sources[0];
  CHECK(far.kind == SourceKind::kMysql);
  CHECK(far.server.host == "crm.example.com");
  CHECK(far.server.database == "crm");
  CHECK(far.every_ms == 5'000);
  REQUIRE(far.tables.size() == 3);
  CHECK(far.tables.at("customers").by == "versioned");
  CHECK(far.tables.at("tickets").by == "column");
  CHECK(far.tables.at("tickets").column == "updated_at");
  CHECK(far.tables.at("an odd name").by == "scan");
  const SourceSpec& near = workspace.sources[1];
  CHECK(near.server.socket == "/srv/team/run/s");
  CHECK(near.every_ms == 60'000);
  CHECK(near.tables.empty());
  CHECK(workspace_sources(workspace).tables == std::vector<std::string>{"crm", "near"});
}

TEST_CASE("pools, releases, secrets and policies") {
  Workspace workspace =
      read(project_file("tests/workflows/language/corpus/good/workspace-full.yaml"));
  REQUIRE(workspace.pools.size() == 2);
  CHECK(workspace.pools[0].slots == 2);
  CHECK(workspace.pools[0].memory_bytes == 4ull << 30);
  CHECK(workspace.pools[1].devices == std::vector<uint32_t>{0, 1});
  CHECK(workspace.pools[1].slots == 1);
  CHECK(workspace.releases == "/srv/team/out/releases");
  REQUIRE(workspace.registry);
  CHECK(workspace.registry->place == "localhost:5000/intents");
  CHECK(workspace.registry->plain_http);
  CHECK(workspace.registry->credentials.password ==
        SecretRef{SecretRef::Kind::kFile, "", "/srv/team/registry.password"});
  CHECK(workspace.channel == "production");
  CHECK(workspace.secrets.at("KEY") == SecretRef{SecretRef::Kind::kFile, "", "/etc/keys/one"});
  CHECK(workspace.policies.max_new == 50);
  CHECK(workspace.policies.keep_releases == 10);
  CHECK(workspace.policies.keep_runs == Keep{5'000, 90ll * 86'400'000});
  CHECK(workspace.policies.keep_logs == Keep{0, 14ll * 86'400'000});
  CHECK(workspace.policies.superseded == SupersededPolicy::kCancel);
}

TEST_CASE("a short workspace gets its defaults") {
  Workspace workspace = read("sources: {code: {kind: git-repo, place: .}}\n");
  CHECK(workspace.sources[0].place == "/srv/team/");
  CHECK(workspace.sources[0].branch == "main");
  REQUIRE(workspace.pools.size() == 1);
  CHECK(workspace.pools[0].name == "local");
  CHECK(workspace.pools[0].slots == 0);
  CHECK(workspace.releases == "/srv/team/out/releases");
  CHECK_FALSE(workspace.registry);
  CHECK(workspace.channel.empty());
  CHECK(workspace.policies.max_new == 50);
}

TEST_CASE("the names that workflows may use") {
  WorkspaceSources names = workspace_sources(
      read(project_file("tests/workflows/language/corpus/good/workspace-full.yaml")));
  CHECK(names.tables == std::vector<std::string>{"tables", "more"});
  CHECK(names.code == std::vector<std::string>{"code", "lib"});
  CHECK(names.pools == std::vector<std::string>{"local", "gpu"});
  CHECK(names.secrets == std::vector<std::string>{"KEY", "TOKEN"});
  CHECK(names.channel == "production");
  CHECK(names.channel_place == "/srv/team/lockstep.yaml:21:10");
}

TEST_CASE("a secret that was written down is not repeated in the message") {
  for (const char* text :
       {"sources: {c: {kind: git-repo, place: x}}\nsecrets: {A: hunter2}\n",
        "sources: {c: {kind: git-repo, place: \"https://a:hunter2@h/x\"}}\n",
        "sources: {c: {kind: git-repo, place: \"https://hunter2@h/x\"}}\n",
        "sources: {c: {kind: git-repo, place: x, credentials: {password: hunter2}}}\n",
        "sources: {c: {kind: git-repo, place: x, credentials: {password: [hunter2]}}}\n"}) {
    INFO(text);
    Diagnostics diagnostics;
    CHECK_FALSE(parse_workspace(text, "lockstep.yaml", diagnostics));
    REQUIRE(diagnostics.errors().size() == 1);
    CHECK_THAT(diagnostics.errors()[0].what(), !Catch::Contains("hunter2"));
  }
}

TEST_CASE("addresses that would make git run something are refused") {
  for (const char* place : {"ext::sh -c id", "-x:y", "ssh://-x/y", "h:-x", "https:///x", "a::b",
                            "ftp://h/x", "file://host/x", "https://h/x y", "@h:x", ":x"}) {
    INFO(place);
    Diagnostics diagnostics;
    std::string text = std::string("sources: {c: {kind: git-repo, place: \"") + place + "\"}}\n";
    CHECK_FALSE(parse_workspace(text, "lockstep.yaml", diagnostics));
  }
  for (const char* place : {"h:x", "u@h:x/y.git", "ssh://u@h:22/x", "file:///x", "../x", "./a:b"}) {
    INFO(place);
    read(std::string("sources: {c: {kind: git-repo, place: \"") + place + "\"}}\n");
  }
}
