// A registry in memory for tests: facts are appended with a running number and a settable time.
// Knows nothing of databases.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "pipeline/base/error.h"
#include "registry/rules/queries.h"
#include "registry/rules/rules.h"

namespace lockstep {

inline bool has_all(const Digest&) {
  return true;
}

struct Book {
  Registry registry;
  int64_t now_ms = 1'000;
  std::set<std::string> produced;
  std::vector<std::string> channels = {"production"};

  void add(const Fact& fact) {
    // Every fact goes through its JSON, as it does in a ledger.
    registry.apply({registry.last_seq + 1, now_ms, fact_from_json(fact_json(fact))});
  }
  void add(const std::vector<Fact>& facts) {
    for (const Fact& fact : facts) add(fact);
  }

  static Version made(const std::string& model, const std::string& input, const std::string& bytes,
                      double accuracy = 0.9) {
    Version version;
    version.model = model;
    version.fingerprint = sha256("fingerprint of " + input);
    version.digest = sha256(bytes);
    version.metrics = Json::object({{"accuracy", accuracy}});
    return version;
  }

  // Trains `model` on `input`: decided and appended.
  Decision train(const std::string& model, const std::string& input, double accuracy = 0.9,
                 const std::vector<Bound>& gate = {}) {
    produced.insert(model);
    Decision decision =
        decide(registry, {made(model, input, model + "/" + input, accuracy), gate, "lockstep", 0});
    add(decision.facts);
    return decision;
  }

  CutRequest request(const std::string& channel = "production") const {
    CutRequest request;
    request.channel.name = channel;
    request.channel.models = {"*"};
    request.produced = produced;
    return request;
  }

  Cut cut(const std::string& channel = "production") { return cut(request(channel)); }
  Cut cut(const CutRequest& request) {
    Cut done = cut_release(registry, request);
    add(done.facts);
    return done;
  }

  RollbackRequest back(const std::string& model) const {
    RollbackRequest request;
    request.model = model;
    request.channels = channels;
    request.who = "ann";
    request.reason = "wrong labels";
    return request;
  }
  Rollback roll_back(const RollbackRequest& request, const HasBytes& has = has_all) {
    Rollback done = roll_back_model(registry, request, has);
    add(done.facts);
    for (const std::string& channel : done.moved_channels) {
      CutRequest after = this->request(channel);
      after.as_built = true;
      cut(after);
    }
    return done;
  }

  ReleaseRollbackRequest back_release(const std::string& to = "") const {
    ReleaseRollbackRequest request;
    request.channel = "production";
    request.to = to;
    request.who = "ann";
    request.reason = "bad morning";
    return request;
  }
  ReleaseRollback roll_back(const ReleaseRollbackRequest& request, const HasBytes& has = has_all) {
    ReleaseRollback done = roll_back_release(registry, request, has);
    add(done.facts);
    return done;
  }

  int64_t champion(const std::string& model) const { return registry.alias(model, kChampion); }
  std::string live_manifest(const std::string& channel = "production") const {
    return manifest_of(registry.release(registry.live(channel))->release);
  }
};

template <class T>
size_t count(const std::vector<Fact>& facts) {
  size_t n = 0;
  for (const Fact& fact : facts) n += std::holds_alternative<T>(fact) ? 1 : 0;
  return n;
}

template <class F>
std::string message_of(F&& f) {
  try {
    f();
  } catch (const Error& e) {
    return std::string(word(e.code)) + ": " + e.what();
  }
  return "nothing was thrown";
}

}  // namespace lockstep
