// What each forge's bodies say, put into the one shape of a Delivery.
// Knows nothing of headers and signatures: what is here has been verified.
#pragma once

#include <string>
#include <string_view>

#include "connectors/forge/body.h"
#include "connectors/forge/hook.h"

namespace lockstep {

// Each fills what the event says and leaves id and marks alone. `event` is the forge's own word,
// from its header; an event that is not known becomes kOther. Throws invalid.
void read_github(const std::string& event, const HookFields& body, Delivery& out);  // and Gitea's
void read_gitlab(const HookFields& body, Delivery& out);
void read_bitbucket(const std::string& event, const HookFields& body, Delivery& out);
void read_dolthub(const HookFields& body, Delivery& out);
void read_generic(const HookFields& body, Delivery& out);

// For all of them:

// Reads refs/heads/NAME or refs/tags/NAME; another ref leaves both empty. Throws invalid.
HookRef ref_from(std::string_view full, std::string_view field);
// Adds `ref`, and makes the event what it says: kPush, kTag, kBranchDeleted or kTagDeleted. With
// several the first of these in that order wins.
void add_moved(Delivery& out, HookRef ref);
// Sets kCi. `word` is the forge's own for how it went, "" for not yet.
void set_ci(Delivery& out, std::string name, std::string_view word, std::string commit);
void add_url(Delivery& out, const HookFields& fields, const char* name);
// Sets kDispatch. Absent or null: no inputs. Throws invalid: no object, or over 65,536 bytes.
void set_inputs(Delivery& out, const HookFields& body, const char* name);
void set_repository(Delivery& out, std::string path);  // throws invalid

}  // namespace lockstep
