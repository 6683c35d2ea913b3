// Documents of a small workspace, as the backend gives them. Knows nothing of how they are shown.
#pragma once

#include <string>

#include "pipeline/base/json.h"

namespace lockstep::documents {

inline const std::string kTag1 = "51796c70071bb3bf51e5a9cee12382cd";
inline const std::string kTag2 = "1da281f01541e3eac0f2a91187cadb86";
inline const std::string kData1 = "1f3c9ab0000000000000000000000000000000aa";
inline const std::string kData2 = "2ab77e10000000000000000000000000000000aa";
inline const std::string kCode = "88d01e20000000000000000000000000000000bb";
inline const std::string kSha = "sha256:abcdef012345" + std::string(52, '0');
inline const std::string kSlice = "utterances[client=client-3]";

inline Json status() {
  return {
      {"workspace", "/srv/intents"},
      {"pid", 4711},
      {"serving", true},
      {"slots",
       {{{"name", "gpu0-1"},
         {"pool", "gpu"},
         {"device", "0"},
         {"memory_bytes", 1 << 30},
         {"step", "train[client=client-3]"},
         {"run", "12"},
         {"since", "2026-03-03T14:00:07Z"}},
        {{"name", "local-1"}, {"pool", "local"}, {"device", "cpu"}, {"step", nullptr}}}},
      {"queue",
       {{{"step", "train[client=client-5]"}, {"priority", "data"}, {"why", "waits for a slot"}}}},
      {"models", {{"total", 8}, {"in_step", 7}}},
      {"sources",
       {{{"name", "app"}, {"kind", "git_repo"}, {"branch", "main"}, {"commit", kCode}},
        {{"name", "tables"},
         {"kind", "git_tables"},
         {"branch", "main"},
         {"commit", kData1},
         {"error", "not there since 13:00"}}}},
      {"channels",
       {{{"name", "production"}, {"tag", kTag1}}, {{"name", "staging"}, {"tag", nullptr}}}},
      {"held", nullptr},
      {"runner", {{"pid", 4712}}}};
}

inline Json models() {
  return {{{"name", "intent-client-3"},
           {"version", 2},
           {"sha256", kSha},
           {"pinned", true},
           {"metrics", {{"loss", 0.21}, {"accuracy", 0.934}, {"rows", 192}}},
           {"channels", {{"production", 1}}}},
          {{"name", "trunk"},
           {"version", 1},
           {"sha256", kSha},
           {"pinned", false},
           {"metrics", Json::object()},
           {"channels", Json::object()},
           {"retired", true}}};
}

inline Json model() {
  return {
      {"model", "intent-client-3"},
      {"version", 2},
      {"digest", kSha},
      {"fingerprint", "sha256:" + std::string(64, 'f')},
      {"step", "train[client=client-3]"},
      {"attempt", "a-17"},
      {"commits", {{"app", kCode}, {"tables", kData2}}},
      {"slices", {{{"input", "rows"}, {"slice", kSlice}, {"rows", 240}, {"commit", kData2}}}},
      {"upstreams", {{{"input", "trunk"}, {"model", "trunk"}, {"version", 1}, {"digest", kSha}}}},
      {"metrics", {{"accuracy", 0.934}, {"loss", 0.21}}},
      {"committers", {{{"author", "Ann"}}, {{"author", "Ann"}}, {{"author", "Bob"}}}},
      {"trigger", "data"},
      {"aliases", {"champion", "production"}},
      {"gate", {{"passed", true}, {"verdict", "passed"}}},
      {"versions",
       {{{"version", 1}, {"created", "2026-03-03T13:00:00Z"}, {"sha256", kSha}, {"accuracy", 0.91}},
        {{"version", 2},
         {"created", "2026-03-03T14:00:00Z"},
         {"sha256", kSha},
         {"accuracy", 0.934}}}},
      {"moves",
       {{{"time", "2026-03-03T13:00:00Z"},
         {"alias", "champion"},
         {"from", 0},
         {"to", 1},
         {"who", "lockstep"},
         {"why", "gate passed"}},
        {{"time", "2026-03-03T14:00:00Z"},
         {"alias", "champion"},
         {"from", 1},
         {"to", 2},
         {"who", "lockstep"},
         {"why", "gate passed"}}}},
      {"pins", {{{"alias", "champion"}, {"version", 2}, {"who", "ann"}, {"reason", "audit"}}}}};
}

inline Json why() {
  return {{"model", "intent-client-3"},
          {"version", 2},
          {"alias", "champion"},
          {"state", "current"},
          {"because",
           {"trained on 2026-03-03",
            {{"input", "rows"}, {"change", "12 rows changed"}, {"slice", kSlice}}}},
          {"data",
           {{{"source", "tables"},
             {"table", "utterances"},
             {"slice", kSlice},
             {"from", kData1},
             {"to", kData2},
             {"rows", {{"added", 3}, {"removed", 0}, {"changed", 12}}},
             {"authors", {"Ann <ann@x>"}}}}},
          {"code",
           {{{"source", "app"},
             {"paths", {"train/**"}},
             {"from", kCode},
             {"to", kCode},
             {"files", 0},
             {"authors", Json::array()}}}},
          {"upstream", {{{"input", "trunk"}, {"model", "trunk"}, {"from", 1}, {"to", 1}}}},
          {"gate", {{"passed", true}, {"verdict", "passed"}}},
          {"pinned",
           {{"version", 2}, {"alias", "champion"}, {"who", "ann"}, {"reason", "wrong labels"}}}};
}

inline Json release() {
  return {{"channel", "production"},
          {"tag", kTag1},
          {"sha256", kSha},
          {"live", true},
          {"image", kSha},
          {"created", "2026-03-03T14:00:00Z"},
          {"folder", "out/releases/51796c"},
          {"manifest", {{"intent-client-3", "1"}}},
          {"models",
           {{{"name", "intent-client-3"},
             {"version", 1},
             {"sha256", kSha},
             {"code", kCode},
             {"data", {{{"slice", kSlice}, {"commit", kData1}}}},
             {"metrics", {{"accuracy", 0.91}}}}}}};
}

}  // namespace lockstep::documents
