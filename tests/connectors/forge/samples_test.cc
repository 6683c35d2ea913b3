#include "tests/connectors/forge/samples.h"

#include <set>

#include "connectors/forge/place.h"
#include "tests/catch.h"

namespace lockstep {
namespace {

void put(Json& to, const char* name, const std::string& text) {
  if (!text.empty()) to[name] = text;
}

Json shown(const HookRef& ref) {
  Json out = Json::object();
  put(out, "branch", ref.branch);
  put(out, "tag", ref.tag);
  put(out, "before", ref.before);
  put(out, "after", ref.after);
  if (ref.forced) out["forced"] = true;
  if (ref.deleted) out["deleted"] = true;
  return out;
}

// As `expect` is written in the samples: what is empty is left out.
Json shown(const Delivery& d) {
  Json out = {{"event", std::string(word(d.event))}};
  put(out, "repository", d.repository);
  put(out, "target", d.target);
  put(out, "action", d.action);
  put(out, "sender", d.sender);
  for (const std::string& url : d.urls) out["urls"].push_back(url);
  for (const HookRef& ref : d.refs) out["refs"].push_back(shown(ref));
  if (d.from_fork) out["from_fork"] = true;
  if (d.ci) {
    out["ci"] = {{"name", d.ci->name}, {"conclusion", d.ci->conclusion}, {"commit", d.ci->commit}};
  }
  if (!d.inputs.is_null()) out["inputs"] = d.inputs;
  return out;
}

TEST_CASE("every sample of every forge is accepted, in every encoding, and says what it says") {
  std::set<std::string> seen;
  int deliveries = 0;
  for (const std::string& name : sample_names()) {
    for (const Sample& s : in_every_way(name)) {
      INFO(name << " " << s.body);
      const Delivery d = read_delivery(s.spec, s.request());
      CHECK(shown(d) == s.file.at("expect"));
      CHECK(d.forge == s.spec.forge);
      seen.insert(std::string(word(d.forge)) + " " + std::string(word(d.event)));
      ++deliveries;
    }
  }
  CHECK(deliveries > 90);
  // What the forges can say at all: each is there.
  for (const char* kind : {"github ping",
                           "github push",
                           "github tag",
                           "github branch-deleted",
                           "github tag-deleted",
                           "github pull-request",
                           "github release",
                           "github ci",
                           "github dispatch",
                           "github other",
                           "gitlab push",
                           "gitlab tag",
                           "gitlab branch-deleted",
                           "gitlab pull-request",
                           "gitlab release",
                           "gitlab ci",
                           "gitlab other",
                           "gitea push",
                           "gitea tag",
                           "gitea branch-deleted",
                           "gitea pull-request",
                           "gitea release",
                           "gitea ci",
                           "bitbucket ping",
                           "bitbucket push",
                           "bitbucket pull-request",
                           "bitbucket ci",
                           "dolthub push",
                           "dolthub branch-deleted",
                           "dolthub pull-request",
                           "generic ping",
                           "generic push",
                           "generic tag-deleted",
                           "generic ci",
                           "generic dispatch"}) {
    INFO(kind);
    CHECK(seen.count(kind) == 1);
  }
}

TEST_CASE("a delivery's marks are its signed id, or its id and its body's digest") {
  const Sample hub = sample("github_push");
  const Delivery d = read_delivery(hub.spec, hub.request());
  CHECK(d.id == "72d3162e-cc78-11e3-81ab-4c9367dc0958");
  CHECK(d.marks == std::vector<std::string>{"id:" + d.id, sha256(hub.body).str()});

  const Sample lab = sample("gitlab_push");
  CHECK(read_delivery(lab.spec, lab.request()).marks ==
        std::vector<std::string>{"id:0eb7bd12-2f0f-4d6e-9d4e-fe2b6b3f1b5c"});

  const Sample token = sample("gitlab_push", Way::kToken);
  CHECK(read_delivery(token.spec, token.request()).marks.size() == 2);

  const Sample dolt = sample("dolthub_push");
  const Delivery without = read_delivery(dolt.spec, dolt.request());
  CHECK(without.id == sha256(dolt.body).str());
  CHECK(without.marks == std::vector<std::string>{without.id});
}

TEST_CASE("a repetition is known by its marks, whatever id and encoding it comes under") {
  for (const std::string& name : sample_names()) {
    for (Sample s : in_every_way(name)) {
      INFO(name);
      std::set<std::string> seen;
      for (const std::string& m : read_delivery(s.spec, s.request()).marks) seen.insert(m);
      for (const char* id : {"x-github-delivery", "x-gitea-delivery", "idempotency-key",
                             "x-request-uuid", "x-request-id", "x-forgejo-delivery"}) {
        if (std::string* value = s.header(id)) *value = "another-1";
      }
      const std::vector<std::string> again = read_delivery(s.spec, s.request()).marks;
      CHECK(std::any_of(again.begin(), again.end(), [&](auto& m) { return seen.count(m); }));
    }
  }
  // Gitea signs the JSON, so that its form can be made from its JSON: still the same delivery.
  const Sample json = sample("gitea_push"), form = sample("gitea_push", Way::kForm);
  CHECK(read_delivery(json.spec, json.request()).marks ==
        read_delivery(form.spec, form.request()).marks);
}

TEST_CASE("a delivery knows the places of its repository") {
  const Sample s = sample("gitlab_push");
  const Delivery d = read_delivery(s.spec, s.request());
  CHECK(about_place(d, "https://gitlab.example.org/group/sub/intents.git"));
  CHECK(about_place(d, "git@gitlab.example.org:group/sub/intents"));
  CHECK_FALSE(about_place(d, "git@gitlab.example.org:sub/intents"));
}

}  // namespace
}  // namespace lockstep
